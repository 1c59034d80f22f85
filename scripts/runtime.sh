# Sourced by the scripts beside it: goes to the project's folder and puts its own Node and tools in front of PATH.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

say() { printf '%s\n' "$*" >&2; }

# Installs Debian packages as root; says which ones are missing otherwise. Arguments: packages.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    say "These Debian packages are missing: ${missing[*]}"
    say "Install them with: sudo apt-get install --no-install-recommends ${missing[*]}"
    return 1
  fi
  say "Installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  rm -f "$log"
}

# Any nginx will do; without one, Debian's smallest. The word is left out where it is empty.
nginx_package() { [ -x /usr/sbin/nginx ] || echo nginx-light; }

# node_modules as the lock file says. A stamp of the lock file tells whether that is so already.
install_modules() {
  local stamp=node_modules/.tgdepot-lock
  cmp -s package-lock.json "$stamp" && return
  command -v npm >/dev/null || need_packages npm || return 1
  say 'Installing the libraries and the Node runtime from the lock file'
  local log
  log=$(mktemp)
  if ! npm ci --no-audit --no-fund </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  rm -f "$log"
  cp package-lock.json "$stamp"
}

install_modules || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"
