# shellcheck shell=bash disable=SC2034
step_title='systemd units and the command tgdepot'

step_units() {
  local unit
  make_folder "$UNITS/tgdepot-.service.d" 0755
  make_folder "$UNITS/tgdepot-web.service.d" 0755
  make_folder "$UNITS/tgdepot-firewall.service.d" 0755
  for unit in "$SOURCE"/systemd/tgdepot*.{service,socket,target} "$SOURCE"/systemd/tgdepot-*.service.d/*.conf; do
    # systemd before 254 would complain of its keys at every load.
    [[ $unit != */tgdepot-.service.d/20-backoff.conf || $(systemd_version) -ge 254 ]] || continue
    install_file "$unit" "$UNITS/${unit#"$SOURCE/systemd/"}" 0644
  done
  install_file "$SOURCE/deploy/tgdepot" "$COMMAND" 0755
  run systemctl daemon-reload
  for unit in "${UNIT_NAMES[@]}"; do
    systemctl is-enabled --quiet "$unit" || run systemctl enable "$unit"
  done
}
