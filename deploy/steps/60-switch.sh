# What takes long or depends on others is done by now: from here on live files change.
# shellcheck shell=bash disable=SC2034
step_title='Switch'

step_switch() {
  local present
  present=$(current_release)
  # Only a release that has worked is worth going back to.
  if [[ -n $present && $present != "$RELEASE" ]] && release_has_worked; then
    keep_way_back
  fi
  SWITCHED=1
  point_link "releases/$RELEASE" "$OPT/current"
  point_link "$BOT_API" "$OPT/bot-api/current"
}
