# Sourced by install.sh: releases under /opt/tgdepot, and the way back to the one before.
# shellcheck shell=bash

# What a release is made of. Anything else that lies in a checkout (answers, backups) stays there.
RELEASE_PARTS=(app deploy nginx scripts systemd install.sh package.json package-lock.json tsconfig.json README.md LICENSE)
# Files of the machine that belong to a release and go back with it.
MANAGED=("${UNIT_NAMES[@]/#/$UNITS/}" "$UNITS"/tgdepot-.service.d/{10-sandbox,20-backoff}.conf
  "$UNITS"/tgdepot-web.service.d/20-backoff.conf "$UNITS"/tgdepot-firewall.service.d/10-sandbox.conf
  "$ETC/answers" "$ETC/tgdepot.env" "$ETC/bot-api.env" "$ETC/firewall.nft" "$SITE" "$SNIPPETS" "$COMMAND")

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

# Names and sizes of the installed libraries, to notice what was damaged since.
list_libraries() { (cd "$1" && find node_modules -type f -printf '%P %s\n' | LC_ALL=C sort | sha256sum | cut -c1-64); }

runtime_works() { [[ $("$1/node_modules/.bin/node" --version 2>/dev/null) == v24.* ]]; }

release_is_whole() {
  [[ -f $1/.libraries && $(release_id "$1") == "$(basename "$1")" ]] &&
    [[ $(list_libraries "$1") == "$(<"$1/.libraries")" ]] && runtime_works "$1"
}

same_libraries() {
  local part
  for part in package.json package-lock.json scripts/link-node.mjs; do
    cmp -s "$1/$part" "$2/$part" || return 1
  done
}

# Fills the code cache that the units read: with it they need 20 MB less and start in a third of the time. It is filled
# here, as root, since a role that could write it could plant code in it. It is bound to the release's final place.
warm_release() {
  local release=$1 node=$1/node_modules/.bin/node cache=$1/.compile-cache made user
  rm -rf "$cache"
  mkdir "$cache"
  # shellcheck disable=SC2016  # JavaScript
  run env -C "$release" NODE_COMPILE_CACHE="$cache" "$node" --input-type=module --eval '
    const { globSync } = await import("node:fs")
    for (const file of globSync("app/**/*.ts")) if (file !== "app/main.ts") await import(`${process.cwd()}/${file}`)'
  # main.ts refuses a role that it does not know, but is in the cache then.
  env -C "$release" NODE_COMPILE_CACHE="$cache" "$node" app/main.ts warm-up >/dev/null 2>&1 || true
  # Node gives every user a folder of his own.
  made=$(basename "$cache"/*-0)
  for user in tgdepot tgdepot-web; do ln -sfn "$made" "$cache/${made%-0}-$(id -u "$user")"; done
  chmod -R go-w,a+rX "$cache"
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
    run env -C "$new" HOME=/root npm ci --omit=dev --no-audit --no-fund --no-update-notifier
  fi
  runtime_works "$new" || die 'the Node runtime from the lock file does not start on this machine'
  chmod -R go-w,a+rX "$new"
  list_libraries "$new" >"$new/.libraries"
  rm -rf "$target"
  mv -T "$new" "$target"
  warm_release "$target"
  mark_changed
}

current_release() { basename "$(readlink "$OPT/current" 2>/dev/null || true)"; }

release_has_worked() { [[ $(current_release) == "$(cat "$STATE/healthy" 2>/dev/null)" ]]; }

# Copies what the present release has on the machine, before another one takes its place.
keep_way_back() {
  local new=$STATE/.undo.new files=() file
  rm -rf "$new"
  mkdir -p "$new"
  for file in "${MANAGED[@]}"; do
    [[ ! -e $file ]] || files+=("${file#/}")
  done
  ((${#files[@]} == 0)) || tar -C / -cf "$new/files.tar" "${files[@]}"
  readlink "$OPT/current" >"$new/release"
  readlink "$OPT/bot-api/current" >"$new/bot-api" 2>/dev/null || rm -f "$new/bot-api"
  rm -rf "$STATE/undo"
  mv -T "$new" "$STATE/undo"
}

has_way_back() { [[ -s $STATE/undo/release && -d $OPT/$(<"$STATE/undo/release") ]]; }

# Puts the kept release with its units, settings and nginx files back. Data and secrets stay as they are.
go_back() {
  local back
  back=$(<"$STATE/undo/release")
  [[ ! -f $ETC/tgdepot.env ]] || cp -p "$ETC/tgdepot.env" "$ETC/tgdepot.env.rejected"
  rm -rf "${MANAGED[@]}"
  tar -C / -xf "$STATE/undo/files.tar"
  # Kept only if it holds lines of the owner's that the restored one lacks.
  ! cmp -s "$ETC/tgdepot.env" "$ETC/tgdepot.env.rejected" || rm -f "$ETC/tgdepot.env.rejected"
  point_link "$back" "$OPT/current"
  [[ ! -s $STATE/undo/bot-api ]] || point_link "$(<"$STATE/undo/bot-api")" "$OPT/bot-api/current"
  rm -rf "$STATE/undo"
}

# Only what runs and what a rollback needs stays. Built Bot API servers stay too: they are small and took long.
remove_old_releases() {
  local folder kept=''
  [[ ! -s $STATE/undo/release ]] || kept=$(<"$STATE/undo/release")
  for folder in "$OPT"/releases/* "$OPT"/releases/.new-*; do
    [[ -d $folder && $folder != "$OPT/releases/$(current_release)" && $folder != "$OPT/$kept" ]] || continue
    rm -rf "$folder"
  done
}
