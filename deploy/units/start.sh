# Sourced by install.sh: starts the units, and restarts only those of which something changed.
# shellcheck shell=bash disable=SC2034,SC2153

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

# What a unit was made of when we last started it.
state_of() {
  case $1 in
    *.service) printf '%s/%s\n' "$STATE" "${1%.service}" ;;
    *) local name=${1#tgdepot-}; printf '%s/%s\n' "$STATE" "${name/./-}" ;;
  esac
}

# Whether the path of a socket unit leads elsewhere than to systemd's socket: an older release, installed over this one,
# takes it away and opens its own there.
socket_was_taken() {
  local path pid
  path=$(socket_path "$UNITS/$1")
  [[ -S $path ]] || return 0
  # systemd hands it over all the same: then two listen under one name.
  (($(awk -v path="$path" '$4 == "00010000" && $8 == path' /proc/net/unix | wc -l) < 2)) || return 0
  pid=$(systemctl show --property=MainPID --value "${1%.socket}.service")
  # One that is about to start is systemd's own program still, and has not been handed anything.
  [[ ${pid:-0} != 0 && -r /proc/$pid/environ && $(readlink "/proc/$pid/exe") != */systemd/* ]] || return 1
  ! grep -qz '^LISTEN_FDS=' "/proc/$pid/environ"
}

# A socket stays open while its service restarts; it is made anew only when its own unit has changed.
load_socket() {
  local socket=$1 service=${1%.socket}.service now state
  now=$(digest_of "$UNITS/$socket")
  state=$(state_of "$socket")
  [[ $(cat "$state" 2>/dev/null) != "$now" ]] || ! systemctl is-active --quiet "$socket" || socket_was_taken "$socket" || return 0
  # systemd opens none for a service that runs, which may be one that opened its own. Both at once: a visitor would start
  # the service again by a socket that is still open.
  systemctl stop "$socket" "$service" 2>/dev/null || true
  systemctl reset-failed "$socket" "$service" 2>/dev/null || true
  run systemctl start "$socket"
  printf '%s\n' "$now" >"$state"
  mark_changed
}

# The runs that are to have ended by now, by service: a unit that systemd cannot read keeps its old process.
declare -gA RUN_BEFORE=()
# How often systemd had started anew what goes on running: over months this comes to some, with a good release as well.
declare -gA CRASHES_BEFORE=()
# When the web role was last restarted.
DOWN_SINCE=''

crashes_of() { systemctl show --property=NRestarts --value "$1"; }

run_of() { systemctl show --property=InvocationID --value "$1"; }

# Restarts the services whose files changed since they were last started by us, and starts those that are down.
start_services() {
  local unit service now restarted=()
  run systemctl daemon-reload
  load_bot_api_folder
  load_fence
  for unit in "${UNIT_NAMES[@]}"; do
    if [[ ! -e $UNITS/$unit ]]; then drop_unit "$unit"
    elif [[ $unit == *.socket ]]; then load_socket "$unit"
    fi
  done
  for service in "${SERVICES[@]}"; do
    [[ -e $UNITS/$service.service ]] || continue
    now=$(service_digest "$service")
    if [[ $(cat "$(state_of "$service.service")" 2>/dev/null) == "$now" ]] && systemctl is-active --quiet "$service" &&
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
    printf '%s\n' "$now" >"$(state_of "$service.service")"
    restarted+=("${service#tgdepot-}")
    mark_changed
  done
  if ! systemctl is-active --quiet tgdepot.target; then
    # It waits for all of them: one that never says that it is ready would take its ten minutes here.
    timeout 5 systemctl start tgdepot.target >>"$LOG" 2>&1 || true
    mark_changed
  fi
  ((${#restarted[@]} == 0)) || NOTE="started ${restarted[*]}"
}
