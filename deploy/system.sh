# Sourced by install.sh: whether this machine is one for tgdepot.
# shellcheck shell=bash

memory_mb() { awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo; }

free_mb() {
  local folder=$1
  while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
  df -Pm "$folder" | awk 'NR == 2 { print $4 }'
}

check_system() {
  local system
  # shellcheck source=/dev/null
  system=$(. /etc/os-release && printf '%s %s' "$ID" "${VERSION_ID-}")
  case $system in
    'ubuntu 22.04' | 'ubuntu 24.04' | 'ubuntu 26.04' | 'debian 12' | 'debian 13') ;;
    *) fault "this is $system; tgdepot knows Ubuntu 22.04, 24.04, 26.04 and Debian 12, 13" ;;
  esac
  case $(dpkg --print-architecture) in
    amd64 | arm64) ;;
    *) fault "$(dpkg --print-architecture) processors: tgdepot knows amd64 and arm64" ;;
  esac
  [[ -d /run/systemd/system ]] || fault 'systemd does not run this machine'
}

check_room() {
  local folder mount
  (($(memory_mb) >= 450)) || fault "$(memory_mb) MB of memory: 512 MB is the least"
  (($(free_mb "$OPT") >= 1000)) || fault "$(free_mb "$OPT") MB free for $OPT: a release needs 1000"
  (($(free_mb "$DATA") >= 1000)) || fault "$(free_mb "$DATA") MB free for $DATA: 1000 is the least, the largest files more"
  if will_build; then
    (($(free_mb "$BUILD") >= 4000)) || fault "$(free_mb "$BUILD") MB free for $BUILD: building the Bot API server needs 4000"
  fi
  # Files get their second name by a hard link, which cannot leave a mount.
  [[ -d $DATA ]] || return 0
  mount=$(findmnt -nro TARGET -T "$DATA")
  for folder in "$DATA"/bot-api "$DATA"/store; do
    [[ ! -d $folder || $(findmnt -nro TARGET -T "$folder") == "$mount" ]] ||
      fault "$folder is a mount of its own: all of $DATA must be one file system"
  done
}
