# Sourced by install.sh: the Bot API server, from a ready program or built from its pinned source.
# shellcheck shell=bash

BUILD=/var/cache/tgdepot-build
BUILD_USER=tgdepot-build

memory_mb() { awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo; }

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

build_packages() {
  printf '%s\n' make git zlib1g-dev libssl-dev gperf cmake
  case $1 in
    clang) printf '%s\n' clang libc++-dev libc++abi-dev ;;
    split) printf '%s\n' g++ php-cli ;;
    *) printf '%s\n' g++ ;;
  esac
}

as_builder() { run runuser -u "$BUILD_USER" -- env -C "$1" HOME="$BUILD" "${@:2}"; }

# Gets exactly the pinned commit and its submodule, once. Another commit starts from nothing: old object files mislead.
fetch_source() {
  local source=$BUILD/source
  [[ $(cat "$BUILD/commit" 2>/dev/null) != "$BOT_API_COMMIT" ]] || return 0
  rm -rf "$BUILD"
  install -d -m 0750 -o "$BUILD_USER" -g "$BUILD_USER" "$BUILD"
  as_builder "$BUILD" git init --quiet source
  as_builder "$source" git fetch --depth 1 "$BOT_API_REPOSITORY" "$BOT_API_COMMIT"
  as_builder "$source" git checkout --quiet --detach FETCH_HEAD
  as_builder "$source" git submodule update --init --recursive --depth 1
  [[ $(runuser -u "$BUILD_USER" -- git -C "$source" rev-parse HEAD) == "$BOT_API_COMMIT" ]] ||
    die "the source from $BOT_API_REPOSITORY is not the pinned commit"
  printf '%s\n' "$BOT_API_COMMIT" >"$BUILD/commit"
}

# Swap for as long as the build lasts, where memory alone would have the compiler killed.
add_swap() {
  local need=$1 have
  have=$(awk '/^(MemTotal|SwapTotal):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)
  ((have < need)) || return 0
  run fallocate -l "$((need - have + 256))M" "$BUILD/swap"
  chmod 0600 "$BUILD/swap"
  run mkswap "$BUILD/swap"
  run swapon "$BUILD/swap"
}

remove_swap() {
  [[ -f $BUILD/swap ]] || return 0
  swapoff "$BUILD/swap" 2>/dev/null || true
  rm -f "$BUILD/swap"
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
    if [[ -t 2 ]]; then printf '\r\033[KBot API server: %s%%' "$percent" >&2
    else printf '         Bot API server: %s%% built\n' "$percent" >&2
    fi
  done
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

run_build() {
  local compiler=$1 jobs=$2 output=$BUILD/output options=()
  local -a as=(runuser -u "$BUILD_USER" -- env -C "$BUILD" HOME="$BUILD")
  if [[ $compiler == clang ]]; then as+=(CC=clang CXX=clang++ CXXFLAGS=-stdlib=libc++); fi
  options=(-DCMAKE_BUILD_TYPE=Release -S source -B build)
  run "${as[@]}" cmake "${options[@]}"
  # Only once: splitting again would make every file new, and a resumed build would start over.
  if [[ $compiler == split && ! -e $BUILD/split ]]; then
    run "${as[@]}" cmake --build build --target prepare_cross_compiling
    run "${as[@]}" env -C "$BUILD/source/td" php SplitSource.php
    touch "$BUILD/split"
  fi
  log_line "+ cmake --build build, $compiler, $jobs at a time"
  if ! "${as[@]}" cmake --build build --target telegram-bot-api --parallel "$jobs" </dev/null 2>&1 |
    show_percent >"$output"; then
    cat "$output" >>"$LOG"
    cat "$output" >&2
    die "the Bot API server could not be built (all output above and in $LOG); the next run goes on from here"
  fi
  cat "$output" >>"$LOG"
}

# Keeps a program under its own name in /opt, whole or not at all.
keep_bot_api() {
  local program=$1 folder=$OPT/bot-api/$2
  ! cmp -s "$program" "$folder/telegram-bot-api" || return 0
  mkdir -p "$folder"
  install -m 0755 "$program" "$folder/.new"
  mv -fT "$folder/.new" "$folder/telegram-bot-api"
  mark_changed
}

build_bot_api() {
  local compiler jobs memory packages
  memory=$(memory_mb)
  compiler=$(choose_compiler "$memory")
  jobs=$(choose_jobs "$compiler" "$memory" "$(nproc)")
  mapfile -t packages < <(build_packages "$compiler")
  install_packages "${packages[@]}"
  id "$BUILD_USER" >/dev/null 2>&1 || run useradd --system --home-dir "$BUILD" --shell /usr/sbin/nologin "$BUILD_USER"
  fetch_source
  add_swap 1800
  run_build "$compiler" "$jobs"
  remove_swap
  keep_bot_api "$BUILD/build/telegram-bot-api" "$1"
  # The source and the object files need 2 GB; the program is kept by its commit.
  rm -rf "$BUILD"
}
