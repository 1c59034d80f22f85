# shellcheck shell=bash disable=SC2034
step_title='Release'

step_release() {
  RELEASE=$(release_id "$SOURCE")
  NOTE=$RELEASE
  mkdir -p "$OPT/releases"
  own_releases
  release_is_whole "$OPT/releases/$RELEASE" || build_release "$SOURCE" "$RELEASE"
}
