#!/usr/bin/env bash
# Run by the builder (deploy/builder.sh) in its own folder: writes node_modules of a release, by its lock file, as an
# archive to standard output. Needs neither npm nor Node of the machine's: both are fetched, by the hashes of the lock
# file and of versions.env.
set -euo pipefail

main() {
  local release=$1 arch node
  exec 3>&1 >&2
  # shellcheck source=/dev/null
  source "$release/deploy/versions.env"
  # shellcheck source=deploy/registry.sh
  source "$release/deploy/registry.sh"
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) fail "tgdepot knows no $(uname -m)" ;;
  esac
  rm -rf libraries
  mkdir libraries
  cd libraries
  trap 'cd .. && rm -rf libraries' EXIT
  cp "$release"/package.json "$release"/package-lock.json .
  mkdir scripts
  cp "$release"/scripts/link-node.mjs scripts/

  REGISTRY=$(find_registry package-lock.json "node-linux-$arch")
  fetch "node-linux-$arch" "$(locked package-lock.json "node-linux-$arch" version)" \
    "$(locked package-lock.json "node-linux-$arch" integrity)"
  fetch npm "$NPM_VERSION" "$NPM_INTEGRITY"
  unpack "node-linux-$arch" node
  unpack npm npm
  node=$PWD/node/bin/node
  export PATH=$PWD/node/bin:$PATH
  # The optional packages are the runtimes for each processor, of which ours would be unpacked a second time: half a minute.
  # No script of a package runs; ours is called below.
  npm ci --omit=dev --omit=optional --ignore-scripts
  mv node "node_modules/node-linux-$arch"
  "node_modules/node-linux-$arch/bin/node" scripts/link-node.mjs
  tar -cf - node_modules >&3
}

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

npm() {
  "$node" "$PWD/npm/bin/npm-cli.js" --registry="$REGISTRY" --cache="$PWD/cache" --globalconfig=/etc/npmrc \
    --no-audit --no-fund --no-update-notifier --loglevel=error "$@"
}

fetch() {
  local name=$1 version=$2 integrity=$3
  curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 1800 \
    --output "$name.tgz" "$REGISTRY/$name/-/$name-$version.tgz"
  [[ sha512-$(openssl dgst -sha512 -binary "$name.tgz" | base64 --wrap=0) == "$integrity" ]] ||
    fail "$name $version from $REGISTRY is not the one that this release was made with"
}

unpack() {
  mkdir "$2"
  tar -C "$2" --strip-components=1 -xzf "$1.tgz"
}

main "$@"
