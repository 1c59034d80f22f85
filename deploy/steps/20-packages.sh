# shellcheck shell=bash disable=SC2034
step_title='Debian packages'

step_packages() {
  local packages
  mapfile -t packages < <(needed_packages)
  # A fresh nginx comes with a site that greets visitors; one that was here before is its owner's affair.
  command -v nginx >/dev/null || touch "$STATE/fresh-nginx"
  install_packages "${packages[@]}"
  if [[ -e $STATE/fresh-nginx ]]; then
    rm -f /etc/nginx/sites-enabled/default "$STATE/fresh-nginx"
  fi
}
