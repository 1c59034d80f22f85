# Sourced by install.sh and uninstall.sh: puts the units in place, and takes them away.
# shellcheck shell=bash

COMMAND=/usr/local/sbin/tgdepot
MANAGED+=("${UNIT_NAMES[@]/#/$UNITS/}" "${DROP_INS[@]/#/$UNITS/}" "$COMMAND")

install_units() {
  local file unit
  for file in "${UNIT_NAMES[@]}" "${DROP_INS[@]}"; do
    # systemd before 254 would complain of its keys at every load.
    [[ $file != tgdepot-.service.d/20-backoff.conf || $(systemd_version) -ge 254 ]] || continue
    make_folder "$(dirname "$UNITS/$file")" 0755
    install_file "$SOURCE/systemd/$file" "$UNITS/$file" 0644
  done
  install_file "$SOURCE/deploy/tgdepot" "$COMMAND" 0755
  run systemctl daemon-reload
  for unit in "${UNIT_NAMES[@]}"; do
    systemctl is-enabled --quiet "$unit" || run systemctl enable "$unit"
  done
}

# Where a socket unit listens.
socket_path() { sed -n 's/^ListenStream=//p' "$1"; }

# Ends a unit whose file a rollback took away: systemd goes on with what it had read.
drop_unit() {
  systemctl stop "$1" 2>/dev/null || true
  rm -f "$UNITS"/*.wants/"$1" "$(state_of "$1")"
}

remove_units() {
  local unit file
  for unit in "${UNIT_NAMES[@]}"; do
    [[ ! -e $UNITS/$unit ]] || systemctl disable --quiet --now "$unit"
    [[ $unit != *.socket ]] || rm -f "$(socket_path "$SOURCE/systemd/$unit")"
    rm -f "$UNITS/$unit"
  done
  for file in "${DROP_INS[@]}"; do rm -rf "$(dirname "$UNITS/$file")"; done
  rm -rf "$COMMAND" /run/tgdepot
  systemctl daemon-reload
  systemctl reset-failed 'tgdepot*' 2>/dev/null || true
  say 'ok       units removed'
}
