#!/usr/bin/env bash
# Removes tgdepot from this machine and keeps its data in /var/lib/tgdepot; --purge asks, and removes data and secrets too.
# Debian packages stay: others may use them by now. Can be repeated.
set -euo pipefail

SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
PURGE=0
ASK=1

main() {
  # shellcheck source=deploy/all.sh
  source "$SOURCE/deploy/all.sh"
  read_flags "$@"
  ((EUID == 0)) || die 'must be run as root'
  [[ ! -e $RUN/lock ]] || flock --nonblock "$RUN/lock" true ||
    die 'install.sh is running: wait for its end (install.sh --attach)'
  ((PURGE == 0)) || confirm_purge
  # Of an installer that was killed: users go only when nothing runs as them.
  stop_builder
  stop_trial
  remove_units
  remove_database
  remove_fence
  remove_certificate
  remove_nginx
  close_ports
  remove_bot_api
  remove_run
  if ((PURGE)); then purge; else keep; fi
  remove_users
  # With what the installer remembers, and perhaps with this very program.
  remove_releases
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
  for path in "$DATA/store" "$DATA/db" "$DATA/bot-api" "$ETC" "$LINK_LOGS" "$LOG" "$ACME_CERTIFICATE"; do
    [[ -e $path ]] || continue
    printf '  %-8s %s%s\n' "$(du -sh "$path" | cut -f1)" "$path" "$(describe_data "$path")"
  done
}

describe_data() {
  case $1 in
    */store) printf ': %s files' "$(find "$1" -type f | wc -l)" ;;
    */db) printf ': all links, but for those in a PostgreSQL' ;;
    */bot-api) printf ": the bot's session" ;;
    "$ETC") printf ': settings and secrets' ;;
    "$LINK_LOGS") printf ': log of downloads' ;;
    "$ACME_CERTIFICATE") printf ': the certificate' ;;
  esac
}

# The data last: a disk that takes no writes ends it there.
purge() {
  purge_settings
  purge_logs
  rm -f "$LOG"
  purge_certificate
  remove_data
  say 'ok       data, settings and secrets removed'
}

keep() {
  keep_data
  keep_logs
  say "ok       kept: $DATA (files, database, the bot's session), $ETC (settings, secrets) and $LINK_LOGS"
  [[ ! -d $ACME_CERTIFICATE ]] || say '         and the certificate: certbot delete --cert-name tgdepot'
  say '         install.sh takes both up again; deploy/uninstall.sh --purge removes them'
}

main "$@"
