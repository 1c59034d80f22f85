# Sourced by install.sh: asks whether all of it works.
# shellcheck shell=bash

WEB_SOCKET=/run/tgdepot/web.sock

# Says what does not work, one line each; nothing when all of it does.
find_troubles() {
  find_unit_troubles
  find_nginx_troubles
  find_page_troubles
}

find_unit_troubles() {
  local unit
  for unit in "${UNIT_NAMES[@]}"; do
    # An older release has fewer.
    [[ ! -e $UNITS/$unit ]] || find_unit_trouble "$unit"
  done
}

find_page_troubles() {
  local status
  # 000 is curl's word for no answer at all.
  status=$(ask_socket --output /dev/null --write-out '%{http_code}' 2>/dev/null) || true
  [[ $status == 200 ]] || printf 'the web role answers /health with %s\n' "${status/000/nothing}"
  status=$(ask_nginx --output /dev/null --write-out '%{http_code}' 2>/dev/null) || true
  [[ $status == 200 ]] || printf 'nginx answers /health with %s\n' "${status/000/nothing}"
}

# A unit works when systemd could read it, when it runs, and when what runs is what we have started.
find_unit_trouble() {
  local unit=$1 service=${1%.service} LoadState='' ActiveState='' InvocationID=''
  eval "$(systemctl show --property=LoadState,ActiveState,InvocationID "$unit" | sed -E 's/^(\w+)=([A-Za-z0-9-]*)$/\1=\2/; t; d')"
  if [[ $LoadState != loaded ]]; then
    printf '%s cannot be loaded (%s): systemctl status %s\n' "$unit" "$LoadState" "$unit"
  elif [[ $ActiveState != active ]]; then
    printf '%s is %s\n' "$unit" "$ActiveState"
  elif [[ -n ${RUN_BEFORE[$service]-} && ${RUN_BEFORE[$service]} == "$InvocationID" ]]; then
    printf '%s was not restarted: its old process still runs\n' "$unit"
  elif ! runs_present_role "$unit"; then
    printf '%s runs a program of another release\n' "$unit"
  fi
}

ask_socket() { curl --silent --show-error --max-time 3 --unix-socket "$WEB_SOCKET" "$@" http://localhost/health; }

# Whether downloads are served, as well as they can be without the bot.
serves_downloads() { [[ $(ask_socket --max-time 2 2>/dev/null) == *'"database":{"ok":true'* ]]; }

# A program that ended three times in a row will not become healthy by waiting.
keeps_crashing() {
  local service crashes
  for service in "${SERVICES[@]}"; do
    crashes=$(crashes_of "$service.service")
    ((crashes - ${CRASHES_BEFORE[$service]:-0} < 3)) || return 0
  done
  return 1
}

# Seconds for which nobody may download before the release is taken back; a web role starts in one.
MAX_OUTAGE=10

# Waits until nothing is wrong for three looks in a row; prints what still is after so many seconds and fails.
wait_until_healthy() {
  local now end served troubles='nobody can download' good=0
  now=$(steady_seconds)
  end=$((now + $1)) served=${DOWN_SINCE:-$now}
  while :; do
    # The whole look takes seconds while nothing answers.
    if serves_downloads; then served=$(steady_seconds)
    elif (($(steady_seconds) - served >= MAX_OUTAGE)) && has_way_back; then break
    fi
    troubles=$(find_troubles)
    if [[ -z $troubles ]]; then
      ((++good < 3)) || return 0
    else
      good=0
    fi
    (($(steady_seconds) < end)) || break
    if ((good == 0)) && keeps_crashing; then break; fi
    sleep 1
  done
  printf '%s\n' "$troubles"
  return 1
}

# What a person needs to see when it does not work: the parts, and the last words of each service.
show_troubles() {
  local service
  printf '%s\n' "$1"
  ask_socket 2>/dev/null || true
  printf '\n'
  for service in "${SERVICES[@]}"; do
    printf -- '--- %s\n' "$service"
    journalctl --no-pager --quiet --output=cat --lines=15 --unit="$service" || true
  done
}
