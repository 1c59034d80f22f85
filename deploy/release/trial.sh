# Sourced by install.sh: downloads stay with the old web role until the new one has shown, beside it, that it answers what
# the old one answers.
# shellcheck shell=bash disable=SC2034,SC2153

TRIAL=tgdepot-trial
TRIAL_UNIT=trial-tgdepot.service
TRIAL_SOCKET=/run/$TRIAL/web.sock
# Seconds until it answers; it starts in one.
TRIAL_SECONDS=20

try_web_role() {
  local settings=$ETC/.tgdepot.env.trial fault
  if ! systemctl is-active --quiet tgdepot-web.service || [[ ! -S $WEB_SOCKET ]]; then
    NOTE='nothing serves yet'
    return
  fi
  if runs_already; then
    NOTE='it runs already'
    return
  fi
  # Of several lines with one name the last counts.
  offer_settings "$settings"
  printf 'SERVER_SOCKET=%s\n' "$TRIAL_SOCKET" >>"$settings"
  start_trial "$settings"
  fault=$(find_trial_fault "$settings")
  [[ -z $fault ]] || journalctl --no-pager --quiet --output=cat --lines=15 --unit="$TRIAL_UNIT" >&2 || true
  stop_trial
  withdraw_settings "$settings"
  [[ -z $fault ]] || die "the web role of release $RELEASE $fault; nothing was changed"
}

# Whether it is the one that serves, with the settings that it would get.
runs_already() {
  [[ $RELEASE == "$(current_release)" ]] && write_settings | cmp -s - "$ETC/tgdepot.env" && runs_present_role tgdepot-web.service
}

stop_trial() { systemctl stop "$TRIAL_UNIT" 2>/dev/null || true; }

start_trial() {
  local release=$OPT/releases/$RELEASE secrets
  mapfile -t secrets < <(secret_properties tgdepot-web.service)
  stop_trial
  systemctl reset-failed "$TRIAL_UNIT" 2>/dev/null || true
  # It ends by itself should this installer be killed.
  run systemd-run "${LOOK[@]}" --unit="$TRIAL_UNIT" --property=User="${UNIT_USER[tgdepot-web.service]}" --property=RuntimeMaxSec=120 \
    --property=RuntimeDirectory="$TRIAL" --property=RuntimeDirectoryMode=0700 --property=ReadWritePaths="$DATA/db" \
    --property=EnvironmentFile="$1" --property=Environment=SETTINGS_FILE="$1" \
    "${secrets[@]}" \
    "$release/node_modules/.bin/node" "$release/app/main.ts" web
}

# The status with which the web role at a socket answers a path; 000 is curl's word for no answer at all.
ask_role() {
  curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' --unix-socket "$1" "http://localhost$2" || true
}

find_trial_fault() {
  local end path old new paths=(/)
  end=$(($(steady_seconds) + TRIAL_SECONDS))
  until [[ $(ask_role "$TRIAL_SOCKET" /) == 200 ]]; do
    if (($(steady_seconds) >= end)) || ! systemctl is-active --quiet "$TRIAL_UNIT"; then
      printf 'does not answer (its last words are above)\n'
      return
    fi
    sleep 0.2
  done
  # What needs tables that the bot is still to make has no answer yet.
  [[ -n $(look_as tgdepot-web.service "$1") ]] || paths+=(/health "/download/$(</proc/sys/kernel/random/uuid)" "$(some_link)")
  for path in "${paths[@]}"; do
    old=$(ask_role "$WEB_SOCKET" "$path")
    new=$(ask_role "$TRIAL_SOCKET" "$path")
    # What the old one cannot answer either is no fault of the new one.
    [[ $new == "$old" || $old == 000 || $old == 5* ]] ||
      { printf 'answers %s with %s instead of %s\n' "${path%/*}/" "$new" "$old"; return; }
  done
}

# The link of a stored file, or of none.
some_link() {
  local file
  # The bot's user chooses the names, of which curl takes some for a million addresses.
  file=$(find "$DATA/store" -mindepth 2 -maxdepth 2 -type f -regextype posix-extended -regex '.*/[0-9a-f]{2}/[0-9a-f-]{36}' -print -quit)
  printf '/download/%s\n' "$(basename "${file:-none}")"
}
