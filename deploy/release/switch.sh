# Sourced by install.sh: from one release to another, and the way back to the one before.
# shellcheck shell=bash disable=SC2034,SC2153

switch_release() {
  local present
  present=$(current_release)
  # Only a release that has worked is worth going back to.
  if [[ -n $present ]] && release_has_worked && { [[ $present != "$RELEASE" ]] || database_changes; }; then
    keep_way_back
    # Also the same release has not worked with another database yet.
    ! database_changes || rm -f "$STATE/healthy"
  fi
  SWITCHED=1
  point_link "releases/$RELEASE" "$OPT/current"
  point_link "$BOT_API" "$OPT/bot-api/current"
}

# Whether a unit file is none of the present release's: an older installer, run over this release, leaves it there.
is_foreign_unit() {
  local file=${1#"$UNITS"/}
  # What that one is made of.
  [[ ${file##*/} != "$DATABASE_DROP_IN" ]] || file=database.conf
  [[ $1 == "$UNITS"/* && ! -e $OPT/current/systemd/$file ]]
}

# Copies what the present release has on the machine, before another one takes its place.
keep_way_back() {
  local new=$STATE/.undo.new files=() file
  rm -rf "$new"
  mkdir -p "$new"
  for file in "${MANAGED[@]}"; do
    [[ ! -e $file ]] || is_foreign_unit "$file" || files+=("${file#/}")
  done
  ((${#files[@]} == 0)) || tar -C / -cf "$new/files.tar" "${files[@]}"
  readlink "$OPT/current" >"$new/release"
  readlink "$OPT/bot-api/current" >"$new/bot-api" 2>/dev/null || rm -f "$new/bot-api"
  rm -rf "$STATE/undo"
  rename_over "$new" "$STATE/undo"
}

# Whether a file of the machine, or a folder with all in it, is still as the kept release had it.
is_as_kept() {
  tar -C / --compare -f "$STATE/undo/files.tar" "${1#/}" >/dev/null 2>&1 || return 1
  [[ ! -d $1 || $(grep -c "^${1#/}/" <<<"$2") == $(find "$1" -printf '.\n' | wc -l) ]]
}

has_way_back() { [[ -s $STATE/undo/release && -d $OPT/$(<"$STATE/undo/release") ]]; }

# Puts the kept release with its units, settings and nginx files back. Data and secrets stay as they are. What differs is
# unpacked beside its place first: a disk that is full ends it there, with nothing changed. What is as it was needs no
# room, so that a switch that found the disk full before it wrote anything can be taken back on that same disk.
go_back() {
  local back kept=$STATE/.restored archive=$STATE/undo/files.tar members file beside changed=()
  back=$(<"$STATE/undo/release")
  # Said by each of them, since bash minds no failure in a function that is part of a condition.
  members=$(tar -tf "$archive") || die "the files of $back cannot be read; nothing was changed"
  rm -rf "$kept"
  mkdir "$kept" || die "the files of $back cannot be unpacked; nothing was changed"
  for file in "${MANAGED[@]}"; do
    beside=$(beside "$file")
    rm -rf "$beside"
    ! is_as_kept "$file" "$members" || continue
    changed+=("$file")
    grep -qxE "${file#/}/?" <<<"$members" || continue
    { tar -C "$kept" -xf "$archive" "${file#/}" && cp -a "$kept$file" "$beside"; } ||
      die "$file of $back cannot be unpacked; nothing was changed"
  done
  ! is_one_of "$ETC/tgdepot.env" "${changed[@]}" || [[ ! -f $ETC/tgdepot.env ]] ||
    cp -p "$ETC/tgdepot.env" "$ETC/tgdepot.env.rejected" || die 'the settings cannot be kept beside; nothing was changed'
  for file in "${changed[@]}"; do
    beside=$(beside "$file")
    # A folder is in its new one's way.
    [[ -e $beside && -f $file ]] || rm -rf "$file"
    [[ ! -e $beside ]] || rename_over "$beside" "$file"
  done
  # Kept only if it holds lines of the owner's that the restored one lacks.
  ! cmp -s "$ETC/tgdepot.env" "$ETC/tgdepot.env.rejected" || rm -f "$ETC/tgdepot.env.rejected"
  point_link "$back" "$OPT/current"
  [[ ! -s $STATE/undo/bot-api ]] || point_link "$(<"$STATE/undo/bot-api")" "$OPT/bot-api/current"
  rm -rf "$kept" "$STATE/undo"
}

# What a run that was killed, or found its disk full, left beside the files that it was about to replace.
remove_leftovers() {
  local folder file
  for file in "${MANAGED[@]}" "${WRITTEN[@]}"; do
    folder=$(dirname "$file")
    [[ ${file##*/} != . ]] || folder=${file%/.}
    rm -rf "$folder"/.tgdepot.?????? "$(beside "$file")"
  done
  rm -rf "$STATE/.restored" "$STATE/.undo.new" "$ETC/.tgdepot.env.new" "$ETC/.tgdepot.env.trial" "$CANDIDATE_URL"
}

# A name that neither nginx nor systemd reads.
beside() { printf '%s/.restored-%s\n' "$(dirname "$1")" "$(basename "$1")"; }
