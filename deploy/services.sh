# Sourced by install.sh: starts the units, restarts only what changed, and asks whether all of it works.
# shellcheck shell=bash disable=SC2034

# Everything a service reads when it starts.
service_digest() {
  local unit=$1.service name release=none files=()
  files+=("$UNITS/$unit" "$UNITS/tgdepot-.service.d"/*.conf "$UNITS/$unit.d"/*.conf)
  for name in ${UNIT_SECRETS[$unit]//,/ }; do files+=("$SECRETS/$name"); done
  for name in ${UNIT_READS[$unit]//,/ }; do
    if [[ $name == release:* ]]; then release=$(role_digest "$OPT/current" "${name#*:}"); else files+=("$name"); fi
  done
  printf '%s %s\n' "$release" "$(digest_of "${files[@]}")"
}

# The role that a unit runs from a release, if it does.
role_of() { sed -n 's/.*\brelease:\([a-z]*\).*/\1/p' <<<"${UNIT_READS[$1]-}"; }

# The folder of the release from which a unit's process runs; nothing when it is not there any more, also where another
# one with the same name has taken its place.
running_release() {
  local pid program releases
  pid=$(systemctl show --property=MainPID --value "$1")
  releases=$(readlink -f "$OPT/releases")
  program=$(readlink "/proc/${pid:-0}/exe" 2>/dev/null || true)
  [[ $program == "$releases"/*/node_modules/* && -e $program ]] || return 0
  program=${program#"$releases/"}
  printf '%s/%s\n' "$releases" "${program%%/*}"
}

# Whether what a unit's process may have loaded is what its release was made of. The present one was looked at before.
runs_whole_release() {
  local folder
  [[ -n $(role_of "$1") ]] || return 0
  folder=$(running_release "$1")
  [[ -n $folder ]] && { [[ $folder -ef $OPT/current ]] || release_is_whole "$folder"; }
}

# Whether it is the same as in the present release.
runs_present_role() {
  local role folder
  role=$(role_of "$1")
  [[ -n $role ]] || return 0
  folder=$(running_release "$1")
  [[ -n $folder ]] || return 1
  [[ $folder -ef $OPT/current || $(role_digest "$folder" "$role") == "$(role_digest "$OPT/current" "$role")" ]]
}

# The Bot API server requires this unit, so it restarts with it; new rules alone are loaded without that.
load_firewall() {
  local rules unit
  run nft --check --file "$ETC/firewall.nft"
  rules=$(digest_of "$ETC/firewall.nft")
  unit=$(service_digest tgdepot-firewall)
  if ! systemctl is-active --quiet tgdepot-firewall || [[ $(cat "$STATE/firewall-unit" 2>/dev/null) != "$unit" ]]; then
    systemctl reset-failed tgdepot-firewall 2>/dev/null || true
    run systemctl restart tgdepot-firewall
    mark_changed
  elif [[ $(cat "$STATE/firewall-rules" 2>/dev/null) != "$rules" ]] || ! nft list table inet tgdepot >/dev/null 2>&1; then
    run systemctl reload tgdepot-firewall
    mark_changed
  fi
  printf '%s\n' "$unit" >"$STATE/firewall-unit"
  printf '%s\n' "$rules" >"$STATE/firewall-rules"
}

# Whether the path leads elsewhere than to systemd's socket: an older release, installed over this one, takes it away and
# opens its own there.
socket_was_taken() {
  local pid
  [[ -S $WEB_SOCKET ]] || return 0
  # systemd hands it over all the same: then two listen under one name.
  (($(awk -v path="$WEB_SOCKET" '$4 == "00010000" && $8 == path' /proc/net/unix | wc -l) < 2)) || return 0
  pid=$(systemctl show --property=MainPID --value tgdepot-web.service)
  [[ ${pid:-0} != 0 && -r /proc/$pid/environ ]] || return 1
  ! grep -qz '^LISTEN_FDS=' "/proc/$pid/environ"
}

# The web role's socket stays open while the role restarts; it is made anew only when its own unit has changed.
load_socket() {
  local unit=$UNITS/tgdepot-web.socket now
  now=$(digest_of "$unit")
  if [[ ! -e $unit ]]; then
    # A release from before it came back by a rollback, and opens the socket by itself.
    systemctl stop tgdepot-web.socket 2>/dev/null || true
    rm -f "$UNITS/tgdepot.target.wants/tgdepot-web.socket"
  elif [[ $(cat "$STATE/web-socket" 2>/dev/null) != "$now" ]] || ! systemctl is-active --quiet tgdepot-web.socket ||
    socket_was_taken; then
    # systemd opens none for a service that runs, which may be one that opened its own.
    systemctl stop tgdepot-web.service 2>/dev/null || true
    systemctl reset-failed tgdepot-web.socket tgdepot-web.service 2>/dev/null || true
    run systemctl restart tgdepot-web.socket
    mark_changed
  fi
  printf '%s\n' "$now" >"$STATE/web-socket"
}

# The helper's socket is made anew when its unit has changed. Both go where a rollback took their units away.
load_helper() {
  local unit=$UNITS/tgdepot-api-helper.socket now
  now=$(digest_of "$unit")
  if [[ ! -e $unit ]]; then
    systemctl stop tgdepot-api-helper.socket tgdepot-api-helper.service 2>/dev/null || true
    rm -f "$UNITS"/tgdepot.target.wants/tgdepot-api-helper.{socket,service}
  elif [[ $(cat "$STATE/api-helper-socket" 2>/dev/null) != "$now" ]] || ! systemctl is-active --quiet tgdepot-api-helper.socket; then
    # systemd opens none for a service that runs.
    systemctl stop tgdepot-api-helper.service 2>/dev/null || true
    systemctl reset-failed tgdepot-api-helper.socket tgdepot-api-helper.service 2>/dev/null || true
    run systemctl restart tgdepot-api-helper.socket
    mark_changed
  fi
  printf '%s\n' "$now" >"$STATE/api-helper-socket"
}

# Gives the Bot API server's folder to the user whom the unit names: a release may share the bot's, and data that outlived
# an uninstallation is root's. The folder itself comes last: until then an interrupted run finds it and goes on.
load_bot_api_folder() {
  local folder=$DATA/bot-api user
  user=$(sed -n 's/^User=//p' "$UNITS/tgdepot-bot-api.service")
  [[ $(stat -c %U:%G "$folder" 2>/dev/null) != "$user:$user" ]] || return 0
  systemctl stop tgdepot-bot.service tgdepot-bot-api.service 2>/dev/null || true
  if [[ -d $folder ]]; then
    run find "$folder" -mindepth 1 -exec chown --no-dereference "$user:$user" {} +
    # Below a bot's folder and its folders of types are files for the bot, beside them the server's databases.
    run find "$folder" -mindepth 1 -type d -exec chmod 0750 {} +
    run find "$folder" -mindepth 3 -type f -links 1 -exec chmod 0640 {} +
    # What is a link's already: the bot goes on giving it names, and nginx sends it.
    run find "$folder" -mindepth 3 -type f -links +1 -exec chmod 0664 {} +
  fi
  # An older bot changes what it owns only.
  if [[ $user == tgdepot && -d $DATA/store ]] && id tgdepot-api >/dev/null 2>&1; then
    run find "$DATA/store" -user tgdepot-api -exec chown --no-dereference tgdepot:tgdepot-files {} +
  fi
  mkdir -p "$folder"
  # By themselves: install of the coreutils in Rust leaves a folder that is there to its owner.
  run chown "$user:$user" "$folder"
  run chmod 0750 "$folder"
  mark_changed
}

# The runs that are to have ended by now, by service: a unit that systemd cannot read keeps its old process.
declare -A RUN_BEFORE=()
# How often systemd had started anew what goes on running: over months this comes to some, with a good release as well.
declare -A CRASHES_BEFORE=()

crashes_of() { systemctl show --property=NRestarts --value "$1"; }

run_of() { systemctl show --property=InvocationID --value "$1"; }

# Restarts the services whose files changed since they were last started by us, and starts those that are down.
start_services() {
  local service now restarted=()
  run systemctl daemon-reload
  load_bot_api_folder
  load_firewall
  load_socket
  load_helper
  for service in "${SERVICES[@]}"; do
    [[ -e $UNITS/$service.service ]] || continue
    now=$(service_digest "$service")
    if [[ $(cat "$STATE/$service" 2>/dev/null) == "$now" ]] && systemctl is-active --quiet "$service" &&
      runs_whole_release "$service.service"; then
      CRASHES_BEFORE[$service]=$(crashes_of "$service.service")
      continue
    fi
    CRASHES_BEFORE[$service]=0
    systemctl reset-failed "$service" 2>/dev/null || true
    log_line "restart $service"
    RUN_BEFORE[$service]=$(run_of "$service")
    [[ $service != tgdepot-web ]] || DOWN_SINCE=$(steady_seconds)
    # One that does not even start is seen by the final check, with its last words; so is one that takes long.
    timeout 5 systemctl restart "$service" >>"$LOG" 2>&1 || true
    printf '%s\n' "$now" >"$STATE/$service"
    restarted+=("${service#tgdepot-}")
    mark_changed
  done
  if ! systemctl is-active --quiet tgdepot.target; then
    systemctl start tgdepot.target >>"$LOG" 2>&1 || true
    mark_changed
  fi
  ((${#restarted[@]} == 0)) || NOTE="started ${restarted[*]}"
}

# The page as a visitor gets it, with the certificate that visitors see.
ask_nginx() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN],,} listen=${ANSWERS[TGDEPOT_LISTEN]}
  local -a ask=(curl --silent --show-error --max-time 3 --noproxy '*')
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    [[ $listen == *:* ]] || listen=127.0.0.1:$listen
    "${ask[@]}" --header "Host: $domain" "$@" "http://${listen/#0.0.0.0:/127.0.0.1:}/health"
  else
    "${ask[@]}" --cacert "$CERTIFICATE" --resolve "$domain:443:127.0.0.1" "$@" "https://$domain/health"
  fi
}

ask_socket() { curl --silent --show-error --max-time 3 --unix-socket "$WEB_SOCKET" "$@" http://localhost/health; }

# Says what does not work, one line each; nothing when all of it does.
find_troubles() {
  local unit status socket
  for unit in "${UNIT_NAMES[@]}" nginx.service; do
    # An older release has fewer.
    [[ $unit == nginx.service || -e $UNITS/$unit ]] || continue
    find_unit_trouble "$unit"
  done
  for socket in $(missing_sockets); do
    printf 'nginx does not listen on %s: look into /var/log/nginx/error.log, and systemctl restart nginx\n' "$socket"
  done
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
# When it was last restarted.
DOWN_SINCE=''

# Whether downloads are served, as well as they can be without the bot.
serves_downloads() { [[ $(ask_socket --max-time 2 2>/dev/null) == *'"database":{"ok":true'* ]]; }

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
