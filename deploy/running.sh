# Sourced by install.sh: one run at a time, which outlives the terminal that it was started from, and can be watched from
# another one.
# shellcheck shell=bash

# Root's alone: whoever can open the lock can hold it.
RUN=/run/tgdepot-install
# What shows this run's output.
VIEWERS=()

# The first one, beside it, was made by an older release.
remove_run() { rm -rf "$RUN.lock" "$RUN"; }

# Waits for another run's end, and shows it meanwhile.
take_turn() {
  install -d -m 0700 "$RUN"
  exec 9>>"$RUN/lock"
  if ! flock --nonblock 9; then
    say 'another install.sh, or what it had started, is still running: waiting for its end. This is what it prints:'
    show_run
    # A killed run's npm or compiler still holds the lock: two of them in one folder would spoil it.
    flock --timeout 3600 9 || die 'it has not ended within an hour'
  fi
  rm -f "$RUN/status"
  : >"$RUN/output"
  printf '%s\n' $$ >"$RUN/pid"
}

# What a run has printed so far, and what it prints until it ends.
show_run() {
  [[ -s $RUN/pid ]] || return 0
  tail --lines=+1 --follow --sleep-interval=0.3 --pid="$(<"$RUN/pid")" "$RUN/output" || true
}

# From here on the loss of the terminal, or of the connection behind it, ends nothing: the output goes through programs
# that keep it in a file as well, and mind neither. 7 and 8 are what it was.
outlive_terminal() {
  trap '' HUP
  exec 7>&1 8>&2
  exec > >(keep_output >&7)
  VIEWERS=($!)
  if ((TERMINAL)); then exec 2>&1
  else
    exec 2> >(keep_output >&8)
    VIEWERS+=($!)
  fi
}

# A signal is for the installer: what it says then is still shown.
keep_output() {
  trap '' INT TERM
  exec tee --append --output-error=warn-nopipe "$RUN/output" 7>&- 8>&- 9>&- 2>/dev/null
}

# Leaves the run's outcome to who watches it, and waits until all of its output was shown.
end_output() {
  printf '%s\n' "$1" >"$RUN/status"
  ((${#VIEWERS[@]})) || return 0
  exec >&7 2>&8 7>&- 8>&-
  wait "${VIEWERS[@]}" 2>/dev/null || true
}

# Shows the run that goes on, or else the last one, and ends as it did.
attach() {
  local status
  [[ -e $RUN/output ]] || die 'no install.sh has run since this machine was started'
  # By now its number may be another program's.
  if flock --nonblock "$RUN/lock" true; then cat "$RUN/output"; else show_run; fi
  status=$(cat "$RUN/status" 2>/dev/null) || die 'it did not come to an end: run install.sh again, it goes on from there'
  ((status != 0)) || show_claim
  exit "$status"
}
