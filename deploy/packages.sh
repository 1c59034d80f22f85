# Sourced by install.sh: Debian packages, on a machine where others may be installing some, too.
# shellcheck shell=bash disable=SC2034

APT_FRESH=0
# Whatever configuration file was changed here stays as it is.
APT_OPTIONS=(-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
APT_LOCKS=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock)
# Seconds in which the machine's own nightly upgrade is over.
APT_PATIENCE=300

needed_packages() {
  printf '%s\n' ca-certificates curl iproute2 logrotate nftables openssl
  command -v nginx >/dev/null || printf 'nginx\n'
  [[ ${ANSWERS[TGDEPOT_TLS]} != acme ]] || printf 'certbot\n'
}

# A fresh nginx comes with a site that greets visitors; one that was here before is its owner's affair.
install_debian_packages() {
  local packages
  mapfile -t packages < <(needed_packages)
  command -v nginx >/dev/null || touch "$STATE/fresh-nginx"
  install_packages "${packages[@]}"
  if [[ -e $STATE/fresh-nginx ]]; then
    rm -f /etc/nginx/sites-enabled/default "$STATE/fresh-nginx"
  fi
}

# Those of the given packages that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    is_installed "$package" || printf '%s\n' "$package"
  done
}

# Installs what is missing, without recommended packages.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  wait_for_apt
  mend_dpkg
  if ((APT_FRESH == 0)); then
    # One source that is broken, often another program's, makes it fail; the lists of the others are there.
    (run apt-get "${APT_OPTIONS[@]}" update) || warn 'apt-get update failed (above): going on with the lists that there are'
    APT_FRESH=1
  fi
  run env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get "${APT_OPTIONS[@]}" install --yes --no-install-recommends "${missing[@]}"
  mark_changed
  NOTE="installed ${missing[*]}"
}

# Where dpkg keeps the steps of a run that has not ended.
DPKG_JOURNAL=/var/lib/dpkg/updates

# apt does nothing after a dpkg that was killed, by a run of ours or another program's, until somebody has let it end. Where
# it cannot, apt says what is in its way.
mend_dpkg() {
  compgen -G "$DPKG_JOURNAL/[0-9]*" >/dev/null || return 0
  (run env DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a) ||
    warn 'dpkg was interrupted, and does not come to its end (above)'
  mark_changed
}

# The program that holds one of apt's locks, "apt-get (process 42)"; nothing where none does.
find_apt_user() {
  local lock pid
  for lock in "${APT_LOCKS[@]}"; do
    [[ -e $lock ]] || continue
    awk -v end=":$(stat -c %i "$lock")\$" '$6 ~ end { print $5 }' /proc/locks | while read -r pid; do
      # A file of another disk may have the same number.
      [[ $(readlink "/proc/$pid/fd/"* 2>/dev/null) == *"$(realpath "$lock")"* ]] || continue
      printf '%s (process %s)\n' "$(<"/proc/$pid/comm")" "$pid"
      break 2
    done
  done
}

# apt itself waits for some of its locks only.
wait_for_apt() {
  local user end
  end=$(($(steady_seconds) + APT_PATIENCE))
  user=$(find_apt_user)
  [[ -n $user ]] || return 0
  warn "$user is using apt: waiting for its end, up to $APT_PATIENCE s"
  while user=$(find_apt_user) && [[ -n $user ]]; do
    (($(steady_seconds) < end)) || die "$user is still using apt: run install.sh again when it has ended"
    sleep 1
  done
}
