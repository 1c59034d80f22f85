#!/usr/bin/env bash
# Removes tgdepot from this machine and keeps its data in /var/lib/tgdepot; --purge asks, and removes data and secrets too.
# Debian packages stay: others may use them by now. Can be repeated.
set -euo pipefail

PURGE=0
ASK=1

main() {
  local file
  for file in lib nginx ports; do
    # shellcheck source=/dev/null
    source "$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/$file.sh"
  done
  read_flags "$@"
  ((EUID == 0)) || die 'must be run as root'
  [[ ! -e /run/tgdepot-install/lock ]] || flock --nonblock /run/tgdepot-install/lock true ||
    die 'install.sh is running: wait for its end (install.sh --attach)'
  ((PURGE == 0)) || confirm_purge
  remove_units
  remove_nginx_site
  close_ports
  remove_program
  if ((PURGE)); then remove_data; else keep_data; fi
  remove_users
}

read_flags() {
  local flag
  for flag; do
    case $flag in
      --purge) PURGE=1 ;;
      --yes) ASK=0 ;;
      --help)
        printf 'Usage: sudo deploy/uninstall.sh [--purge [--yes]]\n--purge removes files, links, settings and secrets too, once you have typed the host name; --yes does not ask.\n'
        exit ;;
      *) die "unknown option $flag" ;;
    esac
  done
}

# What cannot be had back is shown, and the host name typed: it tells this machine from another one.
confirm_purge() {
  local word reply
  ((ASK)) || return 0
  { : </dev/tty; } 2>/dev/null || die '--purge removes all files and links, and there is no terminal to ask on: give --yes as well'
  word=$(sed -n 's/^TGDEPOT_DOMAIN=//p' "$ETC/answers" 2>/dev/null || true)
  word=${word:-purge}
  {
    printf 'This removes, and nothing brings it back:\n'
    list_data
    printf 'Type %s to go on: ' "$word"
  } >/dev/tty
  read -r reply </dev/tty || reply=''
  [[ ${reply,,} == "${word,,}" ]] || die "nothing was removed: that is not $word"
}

list_data() {
  local path
  for path in "$DATA/store" "$DATA/db" "$DATA/bot-api" "$ETC" "$LINK_LOGS" "$LOG" /etc/letsencrypt/live/tgdepot; do
    [[ -e $path ]] || continue
    printf '  %-8s %s%s\n' "$(du -sh "$path" | cut -f1)" "$path" "$(describe_data "$path")"
  done
}

describe_data() {
  case $1 in
    */store) printf ': %s files' "$(find "$1" -type f | wc -l)" ;;
    */db) printf ': all links' ;;
    */bot-api) printf ": the bot's session" ;;
    "$ETC") printf ': settings and secrets' ;;
    "$LINK_LOGS") printf ': log of downloads' ;;
    */letsencrypt/*) printf ': the certificate' ;;
  esac
}

# A build that was killed may have left its swap in use.
remove_program() {
  rm -f "$COMMAND"
  [[ ! -e $STATE/swap ]] || swapoff "$STATE/swap" 2>/dev/null || true
  rm -rf "$OPT" /run/tgdepot /run/tgdepot-install{,.lock} /run/tgdepot-api-helper.sock /var/lib/tgdepot-acme /var/cache/tgdepot-build
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

# The data last: a disk that is mounted there stays, and one that takes no writes ends it here.
remove_data() {
  # An older release, or a way back to one, kept the log of links with nginx's own.
  rm -rf "$ETC" "$LOG" "$LINK_LOGS" /var/log/nginx/tgdepot.*
  if [[ -d /etc/letsencrypt/live/tgdepot ]]; then certbot delete --non-interactive --quiet --cert-name tgdepot; fi
  [[ ! -d $DATA ]] || find "$(realpath "$DATA")" -mindepth 1 -delete
  rm -rf "$DATA" 2>/dev/null || say "         $DATA stays, empty: a disk is mounted there"
  say "ok       data, settings and secrets removed"
}

# The users go, so the files are root's until the next installation gives them back: their numbers may be reused.
keep_data() {
  if [[ -d $DATA ]]; then
    chmod 0700 "$DATA"
    # Also of a link's target.
    chown -R root:root "$DATA/."
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
