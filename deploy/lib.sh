# Sourced, never run: what every subject uses. Variables in capitals are shared by all of them.
# shellcheck shell=bash disable=SC2034,SC2154

# Names, addresses and numbers are read in no language: in Turkish, for one, the capital of i is another letter.
export LC_ALL=C.UTF-8

OPT=/opt/tgdepot
ETC=/etc/tgdepot
SECRETS=$ETC/secrets
DATA=/var/lib/tgdepot
# What the installer remembers between two runs. Nothing in it is needed to serve.
STATE=$OPT/state
LOG=/var/log/tgdepot-install.log
# Files of the machine that belong to a release and go back with it; each subject adds its own.
MANAGED=()
# Others that are written by write_file, or folders of such ("folder/."): what a killed run left beside them is removed.
WRITTEN=()

# A function at the end of a pipe runs in this shell, so that what it finds changed is not lost.
shopt -s lastpipe

# Set by whatever changes the machine, reset for each step.
CHANGED=0
NOTE=''
# The title of the step that is running.
STEP=''
# Whether it is shown on a terminal, where a line can be written anew.
TERMINAL=0
[[ ! -t 1 || ! -t 2 ]] || TERMINAL=1

say() { printf '%s\n' "$*"; }

log_line() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >>"$LOG"; }

# Takes the title of the running step away, which stands on a terminal without an end of line.
clear_title() { ((TERMINAL == 0)) || printf '\r\033[K' >&2; }

warn() {
  clear_title
  printf 'note     %s\n' "$*" >&2
  log_line "note: $*"
}

die() {
  clear_title
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  [[ ! -w $LOG ]] || log_line "stopped: $*"
  exit 1
}

mark_changed() { CHANGED=1; }

# Runs a command whose output matters only when it fails: then all of it is shown. No secret may be an argument.
run() {
  local output status=0
  output=$(mktemp)
  log_line "+ $*"
  "$@" >"$output" 2>&1 </dev/null 7>&- 8>&- || status=$?
  cat "$output" >>"$LOG"
  ((status == 0)) || fail_with "$output" "'$*' failed with status $status"
  rm -f "$output"
}

# Ends with what a command has printed, and a word of ours where its own is easily missed.
fail_with() {
  local output=$1 what=$2
  cat "$output" >&2
  ! grep -qE 'ENOSPC|No space left on device' "$output" || what="a disk is full: $what"
  rm -f "$output"
  die "$what (all of it above and in $LOG)"
}

# Runs a command as one step of the installer, under a title. It says whether it changed anything.
step() {
  local title=$1 word=ok
  shift
  CHANGED=0 NOTE='' STEP=$title
  log_line "step $title"
  ((TERMINAL == 0)) || printf '…        %s' "$title"
  "$@"
  ((CHANGED == 0)) || word=changed
  clear_title
  printf '%-8s %s%s\n' "$word" "$title" "${NOTE:+: $NOTE}"
  log_line "$word $title${NOTE:+: $NOTE}"
  STEP=''
}

# Makes a file's content and mode what they should be, from standard input, at one stroke and only if they differ.
write_file() {
  local target=$1 mode=$2 new
  mkdir -p "$(dirname "$target")"
  new=$(mktemp "$(dirname "$target")/.tgdepot.XXXXXX")
  cat >"$new"
  if [[ -f $target && ! -L $target ]] && cmp -s "$new" "$target" && [[ $(stat -c %a "$target") == "${mode#0}" ]]; then
    rm -f "$new"
    return
  fi
  chmod "$mode" "$new"
  rename_over "$new" "$target"
  mark_changed
}

# rename(2) itself: mv of the coreutils in Rust (Ubuntu 26.04) follows a link to a folder, or refuses it.
rename_over() { perl -e 'rename $ARGV[0], $ARGV[1] or die "$ARGV[1]: $!\n"' "$1" "$2"; }

install_file() { write_file "$2" "$3" <"$1"; }

make_folder() {
  [[ -d $1 ]] || mark_changed
  install -d -m "$2" "$1"
}

# Removes a folder, also what is behind a link. A disk that is mounted there stays, and one that takes no writes ends it here.
remove_folder() {
  [[ ! -d $1 ]] || find "$(realpath "$1")" -mindepth 1 -delete
  rm -rf "$1" 2>/dev/null || say "         $1 stays, empty: a disk is mounted there"
}

# Seconds that no setting of the clock changes; bash's own SECONDS go by the clock.
steady_seconds() {
  local seconds
  read -r seconds _ </proc/uptime
  printf '%s\n' "${seconds%.*}"
}

# Points a link somewhere else without a moment in which it is missing.
point_link() {
  local target=$1 link=$2
  [[ $(readlink "$link" || true) != "$target" ]] || return 0
  rm -f "$link.new"
  ln -s "$target" "$link.new"
  rename_over "$link.new" "$link"
  mark_changed
}

# One hash for the content of files; one that is missing counts too.
digest_of() {
  local file
  for file in "$@"; do
    printf '%s ' "$file"
    if [[ -e $file ]]; then sha256sum <"$file"; else printf 'missing\n'; fi
  done | sha256sum | cut -c1-64
}

is_installed() { [[ $(dpkg-query -Wf '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

systemd_version() { systemctl --version | awk 'NR == 1 { print int($2) }'; }
