# shellcheck shell=bash disable=SC2034
step_title='Debian packages'

# Installs what is missing, without recommended packages.
install_packages() {
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((APT_FRESH == 0)); then
    run apt-get -o DPkg::Lock::Timeout=300 update
    APT_FRESH=1
  fi
  run env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
  mark_changed
  NOTE="installed ${missing[*]}"
}
APT_FRESH=0

step_packages() {
  local packages=(ca-certificates curl iproute2 logrotate nftables openssl)
  # A fresh nginx comes with a site that greets visitors; one that was here before is its owner's affair.
  if ! command -v nginx >/dev/null; then
    touch "$STATE/fresh-nginx"
    packages+=(nginx)
  fi
  [[ ${ANSWERS[TGDEPOT_TLS]} != acme ]] || packages+=(certbot)
  install_packages "${packages[@]}"
  if [[ -e $STATE/fresh-nginx ]]; then
    rm -f /etc/nginx/sites-enabled/default "$STATE/fresh-nginx"
  fi
}
