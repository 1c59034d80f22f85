#!/usr/bin/env bash
# Installs, repairs and upgrades tgdepot on this machine: see --help. Everything is inside functions and the call is
# the last line: a copy cut off on its way runs nothing.
set -euo pipefail

SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# How long a release may take to become healthy before it is sent back: the login of a bot on a slow line included.
HEALTH_SECONDS=90
# Set once live files change.
SWITCHED=0
# Set at the end that is its own: a signal that ends bash leaves 0 as its status.
DONE=0

main() {
  # shellcheck source=deploy/all.sh
  source "$SOURCE/deploy/all.sh"
  read_arguments "$@"
  ((EUID == 0)) || die 'must be run as root: sudo ./install.sh'
  umask 022
  [[ $ACTION != attach ]] || attach
  take_turn
  trap 'end_run $?' EXIT
  trap 'exit 130' INT
  collect_answers
  [[ $ACTION == install ]] || { outlive_terminal; undo_upgrade; DONE=1; return; }
  ask_missing
  outlive_terminal
  choose_certificate "${ANSWERS[TGDEPOT_TLS]}"
  # Nothing is changed before it has passed, so there is no log yet.
  LOG=/dev/null step 'Machine and answers' check_first
  open_log
  install -d -m 0755 "$ETC" "$OPT"
  install -d -m 0700 "$STATE"
  remove_leftovers
  install_all
  finish
  DONE=1
}

check_first() {
  check_system
  check_answers
  check_settings
  check_room
  check_ports
  check_database
  check_nginx
  check_dns
  check_network
  if ((${#FAULTS[@]})); then
    clear_title
    printf 'install.sh: nothing was changed, because:\n' >&2
    printf '  - %s\n' "${FAULTS[@]}" >&2
    STEP=''
    exit 2
  fi
  ! will_build ||
    warn "the Bot API server is built from source, which takes $(estimate_build) here; --bot-api FILE takes a program that you have"
}

# The order is all that is said here: what a step does is its subject's.
install_all() {
  step 'Debian packages' install_debian_packages
  step 'Users and folders' install_users
  step 'Release' install_release
  step 'Bot API server' install_bot_api
  # Before the certificate: its authority comes by port 80.
  step 'Ports for visitors' open_ports
  step 'Certificate' install_certificate
  step 'Secrets' install_secrets
  step 'Check of the release with its settings' check_release
  step 'Trial of the new web role' try_web_role
  # What takes long or depends on others is done by now: from here on live files change.
  step 'Switch' switch_release
  step 'Settings' install_settings
  step 'Fence around the Bot API server' install_fence
  step 'nginx' install_nginx
  step 'systemd units and the command tgdepot' install_units
  step 'Services' start_services
}

open_log() {
  touch "$LOG"
  chmod 0600 "$LOG"
  log_line "install.sh of $SOURCE"
}

finish() {
  local troubles
  say "         waiting until everything answers (up to $HEALTH_SECONDS s)"
  if ! troubles=$(wait_until_healthy "$HEALTH_SECONDS"); then
    show_troubles "$troubles" | tee -a "$LOG" >&2
    die 'tgdepot does not work; the reason is above'
  fi
  current_release >"$STATE/healthy"
  remove_old_releases
  say 'ok       every unit is active, /health is 200 on the socket and through nginx'
  show_next_steps
}

# Whatever ends the installer early: nothing temporary stays, and a release that has not worked yet makes room again.
# A signal is the owner's wish to stop here: the next run goes on.
end_run() {
  local status=$1
  trap - EXIT
  ((status != 0 || DONE)) || status=143
  ((status == 0)) || stop_builder
  remove_swap
  dismiss_database
  # A step back that fails ends itself alone; as a condition it would mind no failure at all.
  set +e
  ((status == 0)) || (set -e; recover "$status")
  end_output "$status"
  ((status != 0)) || [[ $ACTION != install ]] || show_claim
}

recover() {
  local status=$1
  [[ -z $STEP ]] || printf 'install.sh: stopped at "%s"; it can be run again from here\n' "$STEP" >&2
  if ((SWITCHED && status < 128)) && has_way_back && ! release_has_worked; then
    printf 'install.sh: going back from release %s\n' "$(current_release)" >&2
    restore_release
    printf 'install.sh: release %s works again; the reason is above and in %s\n' "$(current_release)" "$LOG" >&2
  fi
}

restore_release() {
  local troubles
  go_back
  reload_answers
  make_claim_code
  choose_certificate "${ANSWERS[TGDEPOT_TLS]}"
  run systemctl daemon-reload
  # Whatever becomes of that, the services go back too; the look at all of it follows.
  (load_nginx) || true
  # One that hangs would take its time to be stopped.
  serves_downloads || systemctl kill --signal=SIGKILL tgdepot-web.service 2>/dev/null || true
  start_services
  if ! troubles=$(wait_until_healthy "$HEALTH_SECONDS"); then
    show_troubles "$troubles" | tee -a "$LOG" >&2
    die "release $(current_release) is back, but does not work either"
  fi
  current_release >"$STATE/healthy"
  warn_of_open_bot
}

undo_upgrade() {
  has_way_back || die 'there is no earlier release to go back to'
  check_way_back
  open_log
  restore_release
  say "ok       back on release $(current_release)"
}

show_next_steps() {
  cat <<EOF

tgdepot works. Open your bot in Telegram and send it a file: the answer is a link to https://${ANSWERS[TGDEPOT_DOMAIN],,}/.
  journalctl -f -u 'tgdepot-*'      what it does
  systemctl restart 'tgdepot-*.service'   start all of it again
  tgdepot --help                    what to do when it stops and asks
  $ETC/tgdepot.env          settings: add your own lines, then run install.sh again
  $DATA                  all data
EOF
}

main "$@"
