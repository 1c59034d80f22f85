#!/usr/bin/env bash
# Removes tgdepot from this machine and keeps its data in /var/lib/tgdepot; --purge removes the data and secrets too.
# Debian packages stay: others may use them by now. Can be repeated.
set -euo pipefail

main() {
  local purge=0
  # shellcheck source=/dev/null
  source "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/lib.sh"
  # shellcheck source=/dev/null
  source "$(dirname -- "${BASH_SOURCE[0]}")/nginx.sh"
  case ${1-} in
    '') ;;
    --purge) purge=1 ;;
    --help) printf 'Usage: sudo deploy/uninstall.sh [--purge]\n'; return ;;
    *) die "unknown option $1" ;;
  esac
  ((EUID == 0)) || die 'must be run as root'
  remove_units
  remove_nginx_site
  rm -f "$COMMAND"
  rm -rf "$OPT" /run/tgdepot /var/lib/tgdepot-acme /var/cache/tgdepot-build
  if ((purge)); then remove_data; else keep_data; fi
  remove_users
}

remove_units() {
  local unit file
  for unit in "${UNIT_NAMES[@]}"; do
    [[ ! -e $UNITS/$unit ]] || systemctl disable --quiet --now "$unit"
    rm -f "$UNITS/$unit"
  done
  for file in "${DROP_INS[@]}"; do rm -rf "$(dirname "$UNITS/$file")"; done
  nft delete table inet tgdepot 2>/dev/null || true
  systemctl daemon-reload
  systemctl reset-failed 'tgdepot*' 2>/dev/null || true
  say 'ok       units and firewall table removed'
}

remove_nginx_site() {
  restore_limits
  join_workers
  rm -rf "$SNIPPETS" "$CERTBOT_HOOK" "$LOGROTATE" "$NGINX_UNIT"
  rmdir --ignore-fail-on-non-empty "$(dirname "$NGINX_UNIT")" 2>/dev/null || true
  systemctl daemon-reload
  if [[ -e $SITE ]]; then
    rm -f "$SITE" "${SITE%.conf}_challenge.conf"
    ! systemctl is-active --quiet nginx || systemctl reload nginx
  fi
  say 'ok       nginx site removed; nginx itself stays'
}

remove_data() {
  rm -rf "$DATA" "$ETC" "$LOG"
  rm -rf "$LINK_LOGS"
  if [[ -d /etc/letsencrypt/live/tgdepot ]]; then certbot delete --non-interactive --quiet --cert-name tgdepot; fi
  say "ok       data, settings and secrets removed"
}

# The users go, so the files are root's until the next installation gives them back: their numbers may be reused.
keep_data() {
  if [[ -d $DATA ]]; then
    chmod 0700 "$DATA"
    chown -R root:root "$DATA"
  fi
  say "ok       kept: $DATA (files, database, the bot's session), $ETC (settings, secrets) and $LINK_LOGS"
  [[ ! -d /etc/letsencrypt/live/tgdepot ]] || say '         and the certificate: certbot delete --cert-name tgdepot'
  say '         install.sh takes both up again; deploy/uninstall.sh --purge removes them'
}

remove_users() {
  local name
  [[ ! -d $LINK_LOGS ]] || chgrp root "$LINK_LOGS"
  gpasswd --delete www-data tgdepot-files >/dev/null 2>&1 || true
  for name in tgdepot tgdepot-api tgdepot-web tgdepot-build; do
    ! id "$name" >/dev/null 2>&1 || userdel "$name"
  done
  for name in tgdepot tgdepot-api tgdepot-web tgdepot-build tgdepot-db tgdepot-files; do
    ! getent group "$name" >/dev/null || groupdel "$name"
  done
  rm -f /etc/sysusers.d/tgdepot.conf /etc/tmpfiles.d/tgdepot.conf
  say 'ok       users and groups removed'
}

main "$@"
