# shellcheck shell=bash disable=SC2034
step_title='systemd units and the command tgdepot'

step_units() {
  local file unit
  for file in "${UNIT_NAMES[@]}" "${DROP_INS[@]}"; do
    # systemd before 254 would complain of its keys at every load.
    [[ $file != tgdepot-.service.d/20-backoff.conf || $(systemd_version) -ge 254 ]] || continue
    make_folder "$(dirname "$UNITS/$file")" 0755
    install_file "$SOURCE/systemd/$file" "$UNITS/$file" 0644
  done
  make_folder "$(dirname "$NGINX_UNIT")" 0755
  install_file "$SOURCE/systemd/nginx.service.d/tgdepot.conf" "$NGINX_UNIT" 0644
  install_file "$SOURCE/deploy/tgdepot" "$COMMAND" 0755
  run systemctl daemon-reload
  for unit in "${UNIT_NAMES[@]}"; do
    systemctl is-enabled --quiet "$unit" || run systemctl enable "$unit"
  done
}
