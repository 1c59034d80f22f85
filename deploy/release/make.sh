# Sourced by install.sh and uninstall.sh: releases under /opt/tgdepot.
# shellcheck shell=bash disable=SC2034,SC2153

# What a release is made of. Anything else that lies in a checkout (answers, backups) stays there.
RELEASE_PARTS=(app deploy nginx scripts systemd install.sh package.json package-lock.json tsconfig.json README.md LICENSE)

install_release() {
  RELEASE=$(release_id "$SOURCE")
  NOTE=$RELEASE
  mkdir -p "$OPT/releases"
  own_releases
  release_is_whole "$OPT/releases/$RELEASE" || build_release "$SOURCE" "$RELEASE"
}

list_parts() {
  local part
  for part in "${RELEASE_PARTS[@]}"; do
    [[ ! -e $1/$part ]] || printf '%s\n' "$part"
  done
}

# <version>-<12 hex digits of the content>: the same content is the same release, wherever it was copied from.
release_id() {
  local folder=$1 version digest parts
  mapfile -t parts < <(list_parts "$folder")
  version=$(sed -n 's/^  "version": "\([0-9A-Za-z.+-]*\)".*/\1/p' "$folder/package.json" | head -n 1)
  digest=$(cd "$folder" && find "${parts[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum)
  printf '%s-%s\n' "${version:-0}" "${digest:0:12}"
}

# One hash for the content of the installed libraries, to notice what was changed or damaged since.
hash_libraries() {
  (
    cd "$1" || exit
    find node_modules -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum --
    find node_modules -type l -printf '%p -> %l\n' | LC_ALL=C sort
  ) | sha256sum | cut -c1-64
}

# All of a release that a role can load, as one hash: its modules, the libraries and the runtime. Where that cannot be told
# it is everything.
role_digest() {
  local release=$1 role=$2 modules
  (
    cd "$release" || exit
    modules=$(perl "$SOURCE/deploy/modules.pl" "$role" 2>>"$LOG") || modules=$(find app -type f | LC_ALL=C sort)
    xargs -d '\n' sha256sum -- package.json package-lock.json scripts/link-node.mjs .libraries <<<"$modules" 2>>"$LOG" || true
  ) | sha256sum | cut -c1-64
}

runtime_works() { [[ $(as_builder "$1/node_modules/.bin/node" --version 2>>"$LOG") == v24.* ]]; }

release_is_whole() {
  [[ -f $1/.libraries && $(release_id "$1") == "$(basename "$1")" ]] &&
    [[ $(hash_libraries "$1") == "$(<"$1/.libraries")" ]] && runtime_works "$1"
}

same_libraries() {
  local part
  for part in package.json package-lock.json scripts/link-node.mjs; do
    cmp -s "$1/$part" "$2/$part" || return 1
  done
}

# Makes /opt/tgdepot/releases/<id> from the checkout; it appears whole or not at all.
build_release() {
  local source=$1 id=$2 target=$OPT/releases/$2 new=$OPT/releases/.new-$2 parts
  rm -rf "$new"
  mkdir -p "$new"
  mapfile -t parts < <(list_parts "$source")
  tar -C "$source" -cf - --owner=0 --group=0 --numeric-owner --mode='u+rwX,go+rX,go-w' "${parts[@]}" | tar -C "$new" -xf -
  [[ $(release_id "$new") == "$id" ]] || die 'the checkout changed while it was copied: run install.sh again'
  if [[ -e $OPT/current ]] && same_libraries "$OPT/current" "$new" && release_is_whole "$(readlink -f "$OPT/current")"; then
    # The very same libraries: their files are shared, nothing is fetched.
    run cp -al "$OPT/current/node_modules" "$new/node_modules"
  else
    take_from_builder node_modules "$new" "$new/deploy/build/libraries.sh" "$new"
  fi
  runtime_works "$new" || die "the Node runtime from the lock file does not start on this machine ($LOG)"
  chmod -R go-w,a+rX "$new"
  hash_libraries "$new" >"$new/.libraries"
  rm -rf "$target"
  rename_over "$new" "$target"
  warm_release "$target"
  mark_changed
}

# Puts the code cache in place that the units read: with it they need 20 MB less and start in a third of the time. It
# is root's, since a role that could write it could plant code in it, and bound to the release's final place.
warm_release() {
  local release=$1 made unit user
  rm -rf "$release/.compile-cache"
  take_from_builder .compile-cache "$release" "$release/deploy/build/code-cache.sh" "$release"
  # Node gives every user a folder of their own.
  made=$(cd "$release/.compile-cache" && printf '%s\n' *-"$(id -u "$BUILDER")")
  for user in $(for unit in $(list_role_units); do printf '%s\n' "${UNIT_USER[$unit]}"; done); do
    ln -sfn "$made" "$release/.compile-cache/${made%-*}-$(id -u "$user")"
  done
  chmod -R go-w,a+rX "$release/.compile-cache"
}

# Debian's npm, run as root by earlier releases, left files to whoever has the number that a packer of a library had.
own_releases() {
  local owned
  # The folder itself may be a link to another disk.
  owned=$(find "$OPT/" \( ! -uid 0 -o ! -gid 0 \) -printf x -exec chown --no-dereference 0:0 {} +)
  find "$OPT/" ! -type l -perm /022 -exec chmod go-w {} +
  [[ -z $owned ]] || mark_changed
}

current_release() { basename "$(readlink "$OPT/current" 2>/dev/null || true)"; }

release_has_worked() { [[ $(current_release) == "$(cat "$STATE/healthy" 2>/dev/null)" ]]; }

# Only what runs, also from an older release, and what a rollback needs stays. Built Bot API servers stay too: they are small and took long.
remove_old_releases() {
  local folder unit kept=("$(readlink -f "$OPT/current")")
  [[ ! -s $STATE/undo/release ]] || kept+=("$OPT/$(<"$STATE/undo/release")")
  for unit in "${SERVICES[@]/%/.service}"; do
    [[ -z $(role_of "$unit") ]] || kept+=("$(running_release "$unit")")
  done
  for folder in "$OPT"/releases/* "$OPT"/releases/.new-*; do
    [[ ! -d $folder ]] || is_one_of "$folder" "${kept[@]}" || rm -rf "$folder"
  done
}

is_one_of() {
  local folder=$1 other
  shift
  for other in "$@"; do [[ ! $folder -ef $other ]] || return 0; done
  return 1
}

remove_releases() { remove_folder "$OPT"; }
