# Sourced by install.sh and uninstall.sh: the Bot API server, from a ready program or built from its pinned source, and the
# folder in which it works.
# shellcheck shell=bash disable=SC2034

# How to compile with so many MB: g++ needs 4 to 5 GB, clang 2 GB; below that TDLib's own split of its largest files
# is compiled in pieces, which is slower.
choose_compiler() {
  if (($1 >= 5000)); then printf 'gcc\n'
  elif (($1 >= 2000)); then printf 'clang\n'
  else printf 'split\n'
  fi
}

# How many compilers at a time fit into so many MB, at most one for each processor.
choose_jobs() {
  local compiler=$1 memory=$2 processors=$3 each jobs
  case $compiler in gcc) each=4500 ;; clang) each=2000 ;; *) each=700 ;; esac
  jobs=$((memory / each))
  ((jobs <= processors)) || jobs=$processors
  ((jobs >= 1)) || jobs=1
  printf '%s\n' "$jobs"
}

will_build() { [[ ${ANSWERS[TGDEPOT_BOT_API]:-build} == build && ! -x $OPT/bot-api/${BOT_API_COMMIT:0:12}/telegram-bot-api ]]; }

# From a measured build of Bot API 8.2: 80 minutes of one processor, half as much again where the files are split.
estimate_build() {
  local compiler jobs work=80
  compiler=$(choose_compiler "$(memory_mb)")
  jobs=$(choose_jobs "$compiler" "$(memory_mb)" "$(nproc)")
  [[ $compiler != split ]] || work=120
  printf 'about %s to %s minutes\n' "$((work * 3 / 4 / jobs))" "$((work * 3 / 2 / jobs))"
}

build_packages() {
  printf '%s\n' make git zlib1g-dev libssl-dev gperf cmake
  case $1 in
    clang) printf '%s\n' clang libc++-dev libc++abi-dev ;;
    split) printf '%s\n' g++ php-cli ;;
    *) printf '%s\n' g++ ;;
  esac
}

install_bot_api() {
  local wanted=${ANSWERS[TGDEPOT_BOT_API]} digest
  if [[ -n $wanted && $wanted != build && -x $wanted ]]; then
    digest=$(sha256sum <"$wanted")
    BOT_API=${digest:0:12}
    keep_bot_api "$BOT_API" cat "$wanted"
  elif [[ -n $wanted && $wanted != build ]]; then
    # The given program is gone since; its copy stays in use.
    BOT_API=$(readlink "$OPT/bot-api/current")
  else
    BOT_API=${BOT_API_COMMIT:0:12}
    [[ -x $OPT/bot-api/$BOT_API/telegram-bot-api ]] || build_bot_api "$BOT_API"
  fi
  NOTE=$BOT_API
}

# Keeps a program, which a command prints, under its own name in /opt, whole or not at all.
keep_bot_api() {
  local folder=$OPT/bot-api/$1
  shift
  mkdir -p "$folder"
  "$@" >"$folder/.new"
  chmod 0755 "$folder/.new"
  if cmp -s "$folder/.new" "$folder/telegram-bot-api"; then
    rm -f "$folder/.new"
    return
  fi
  rename_over "$folder/.new" "$folder/telegram-bot-api"
  mark_changed
}

# Goes on where an interrupted build ended.
build_bot_api() {
  local compiler jobs memory packages output
  memory=$(memory_mb)
  compiler=$(choose_compiler "$memory")
  jobs=$(choose_jobs "$compiler" "$memory" "$(nproc)")
  mapfile -t packages < <(build_packages "$compiler")
  install_packages "${packages[@]}"
  add_swap 1800
  output=$(mktemp)
  log_line "build of the Bot API server with $compiler, $jobs at a time"
  if ! as_builder "$OPT/releases/$RELEASE/deploy/build/bot-api.sh" "$OPT/releases/$RELEASE" "$compiler" "$jobs" 2>&1 |
    show_percent >"$output"; then
    cat "$output" >>"$LOG"
    fail_with "$output" 'the Bot API server could not be built; the next run goes on from here'
  fi
  cat "$output" >>"$LOG"
  rm -f "$output"
  remove_swap
  # A file that the builder names is read by the builder: root would follow its links.
  keep_bot_api "$1" as_builder cat build/telegram-bot-api
  # The source and the object files need 2 GB; the program is kept by its commit.
  rm -rf "$BUILD"
}

# Shows a build's percentage in steps of five; every line goes into the log.
show_percent() {
  local line percent shown=-5
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^\[\ *([0-9]+)%\] ]] || continue
    percent=${BASH_REMATCH[1]}
    ((percent >= shown + 5)) || continue
    shown=$percent
    if ((TERMINAL)); then printf '\r\033[KBot API server: %s%%' "$percent" >&2
    else printf '         Bot API server: %s%% built\n' "$percent" >&2
    fi
  done
  clear_title
}

# Swap for as long as the build lasts, where memory alone would have the compiler killed.
add_swap() {
  local need=$1 have
  have=$(awk '/^(MemTotal|SwapTotal):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)
  ((have < need)) || return 0
  remove_swap
  (umask 077 && run fallocate -l "$((need - have + 256))M" "$STATE/swap")
  run mkswap "$STATE/swap"
  run swapon "$STATE/swap"
}

remove_swap() {
  [[ -f $STATE/swap ]] || return 0
  swapoff "$STATE/swap" 2>/dev/null || true
  rm -f "$STATE/swap"
}

# Gives the Bot API server's folder to the user whom the unit names: a release may share the bot's, and data that outlived
# an uninstallation is root's. The folder itself comes last: until then an interrupted run finds it and goes on.
load_bot_api_folder() {
  local folder=$DATA/bot-api user
  user=$(sed -n 's/^User=//p' "$UNITS/tgdepot-bot-api.service")
  [[ $(stat -c %U:%G "$folder" 2>/dev/null) != "$user:$user" ]] || return 0
  systemctl stop tgdepot-bot.service tgdepot-bot-api.service 2>/dev/null || true
  if [[ -d $folder ]]; then
    run find "$folder" -mindepth 1 -exec chown --no-dereference "$user:$user" {} +
    # Below a bot's folder and its folders of types are files for the bot, beside them the server's databases.
    run find "$folder" -mindepth 1 -type d -exec chmod 0750 {} +
    run find "$folder" -mindepth 3 -type f -links 1 -exec chmod 0640 {} +
    # What is a link's already: the bot goes on giving it names, and nginx sends it.
    run find "$folder" -mindepth 3 -type f -links +1 -exec chmod 0664 {} +
  fi
  # An older bot changes what it owns only.
  if [[ $user == tgdepot && -d $DATA/store ]] && id tgdepot-api >/dev/null 2>&1; then
    run find "$DATA/store" -user tgdepot-api -exec chown --no-dereference tgdepot:tgdepot-files {} +
  fi
  mkdir -p "$folder"
  # By themselves: install of the coreutils in Rust leaves a folder that is there to its owner.
  run chown "$user:$user" "$folder"
  run chmod 0750 "$folder"
  mark_changed
}

# A build that was killed may have left its swap in use.
remove_bot_api() {
  remove_swap
  rm -rf "$OPT/bot-api" "$BUILD"
}
