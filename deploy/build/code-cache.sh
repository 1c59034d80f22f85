#!/usr/bin/env bash
# Run by the builder (deploy/builder.sh) in its own folder: writes the compiled code of a release, at its final place, as
# an archive to standard output.
set -euo pipefail

main() {
  local release=$1 node=$1/node_modules/.bin/node
  exec 3>&1 >&2
  rm -rf code-cache
  mkdir -p code-cache/.compile-cache
  trap 'rm -rf "$folder"' EXIT
  folder=$PWD/code-cache
  export NODE_COMPILE_CACHE=$folder/.compile-cache
  cd "$release"
  # shellcheck disable=SC2016  # JavaScript
  "$node" --input-type=module --eval '
    const { globSync } = await import("node:fs")
    for (const file of globSync("app/**/*.ts")) if (file !== "app/main.ts") await import(`${process.cwd()}/${file}`)'
  # main.ts refuses a role that it does not know, but is in the cache then.
  "$node" app/main.ts warm-up >/dev/null 2>&1 || true
  tar -C "$folder" -cf - .compile-cache >&3
}

main "$@"
