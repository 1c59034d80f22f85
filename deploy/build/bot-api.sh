#!/usr/bin/env bash
# Run by the builder (deploy/builder.sh) in its own folder: makes build/telegram-bot-api from the pinned source. Another
# run goes on where this one ended.
set -euo pipefail

main() {
  local release=$1 compiler=$2 jobs=$3
  # shellcheck source=/dev/null
  source "$release/deploy/versions.env"
  fetch_source
  if [[ $compiler == clang ]]; then export CC=clang CXX=clang++ CXXFLAGS=-stdlib=libc++; fi
  cmake -DCMAKE_BUILD_TYPE=Release -S source -B build
  [[ $compiler != split ]] || split_source
  cmake --build build --target telegram-bot-api --parallel "$jobs"
}

# Gets exactly the pinned commits, once. Another commit starts from nothing: old object files mislead.
fetch_source() {
  [[ $(cat commit 2>/dev/null) != "$BOT_API_COMMIT" ]] || return 0
  rm -rf source build commit split
  git init --quiet source
  git -C source fetch --depth 1 "$BOT_API_REPOSITORY" "$BOT_API_COMMIT"
  git -C source checkout --quiet --detach FETCH_HEAD
  # Before it says where its submodule comes from.
  expect_commit source "$BOT_API_COMMIT"
  git -C source submodule update --init --recursive --depth 1
  expect_commit source/td "$TDLIB_COMMIT"
  printf '%s\n' "$BOT_API_COMMIT" >commit
}

expect_commit() {
  local commit
  commit=$(git -C "$1" rev-parse HEAD)
  [[ $commit == "$2" ]] && return
  printf 'the source in %s is %s, not the pinned commit %s\n' "$1" "$commit" "$2" >&2
  exit 1
}

# Only once: splitting again would make every file new, and a resumed build would start over.
split_source() {
  [[ ! -e split ]] || return 0
  cmake --build build --target prepare_cross_compiling
  env -C source/td php SplitSource.php
  touch split
}

main "$@"
