# Sourced by the installer and by the builder's libraries.sh: where the libraries come from.
# shellcheck shell=bash

# One value of a package's entry in a lock file.
locked() {
  awk -v entry="\"node_modules/$2\": {" -v name="\"$3\":" '
    index($0, entry) { inside = 1 }
    inside && $1 == name { gsub(/[",]/, "", $2); print $2; exit }' "$1"
}

# Where the lock file found a package, unless the machine names another registry.
find_registry() {
  local registry=${NPM_CONFIG_REGISTRY-}
  [[ -n $registry || ! -r /etc/npmrc ]] || registry=$(sed -n 's/^registry *= *//p' /etc/npmrc | tail -n 1)
  [[ -n $registry ]] || registry=$(locked "$1" "$2" resolved) registry=${registry%%"/$2/"*}
  printf '%s\n' "${registry%/}"
}
