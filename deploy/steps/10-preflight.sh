# Looks at everything before anything is changed.
# shellcheck shell=bash disable=SC2034
step_title='Machine and answers'

step_preflight() {
  check_system
  check_answers
  check_settings
  check_room
  check_ports
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

free_mb() {
  local folder=$1
  while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
  df -Pm "$folder" | awk 'NR == 2 { print $4 }'
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

# nginx opens its ports as root: who does not only takes its name.
check_port() {
  local port=$1 name pid
  while read -r name pid; do
    [[ $name == nginx ]] || { fault "port $port is taken by $name (process $pid)"; return; }
  done < <(listeners "$port")
  [[ $(listening_users "$port") =~ ^0?$ ]] || fault "port $port is taken by a program of another user than root"
}

check_ports() {
  command -v ss >/dev/null || return 0
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    check_port "${ANSWERS[TGDEPOT_LISTEN]##*:}"
  else
    check_port 80
    check_port 443
  fi
  [[ -z $(listening_users 8081) ]] || server_listens ||
    fault "port 8081 is taken by $(listeners 8081 | awk '{ print $1 " (process " $2 ")"; exit }')"
}

check_nginx() {
  local output user
  command -v nginx >/dev/null || return 0
  if ! output=$(nginx -T 2>&1); then
    fault "nginx refuses its present configuration: $(grep -m 1 -E 'emerg|error' <<<"$output" || true)"
    return
  fi
  user=$(awk '$1 == "user" { sub(";", "", $2); print $2; exit }' <<<"$output")
  [[ $user == www-data ]] || fault "nginx works as user '$user': tgdepot needs Debian's nginx with www-data"
  grep -q 'sites-enabled/' <<<"$output" || fault 'nginx does not read /etc/nginx/sites-enabled'
  [[ -n ${ANSWERS[TGDEPOT_DOMAIN]} ]] || return 0
  # Two servers of one name: nginx would silently take the first.
  if awk -v own="$SITE:" -v domain="${ANSWERS[TGDEPOT_DOMAIN],,}" '
    /^# configuration file / { file = $4 }
    file != own && /server_name/ && gsub(/[;{}]/, " & ") {
      for (i = 1; i <= NF; i++) { if ($i == "server_name") inside = 1; else if ($i == ";") inside = 0; else if (inside && $i == domain) found = 1 }
    }
    END { exit !found }' <<<"$output"; then
    fault "another site of this nginx is called ${ANSWERS[TGDEPOT_DOMAIN]} already"
  fi
}

is_private() { [[ $1 =~ ^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|::1$|f[cd]|fe80) ]]; }

# IPv4 or IPv6.
family_of() { if [[ $1 == *:* ]]; then printf '6\n'; else printf '4\n'; fi; }

# A certificate authority comes by any of the domain's addresses, IPv6 before IPv4; without acme a wrong one only delays
# the owner's first link.
check_dns() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN]} complain=warn own address public='' found=0
  [[ -n $domain && ${ANSWERS[TGDEPOT_TLS]} != none ]] || return 0
  [[ ${ANSWERS[TGDEPOT_TLS]} != acme ]] || complain=fault
  own=$(ip -o addr show 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
  for address in $own; do is_private "$address" || public+=$(family_of "$address"); done
  for address in $(getent ahosts "$domain" | awk '{ print $1 }' | sort -u); do
    found=1
    if grep -qxF "$address" <<<"$own"; then
      [[ $complain == warn ]] || check_door "$address"
    elif [[ $address == 127.* ]]; then
      # Debian's line for the machine's own name, 127.0.1.1, behind which it is not seen what others are told.
      warn "/etc/hosts leads $domain to this machine: whether DNS does too cannot be told from here"
    # Behind a router the public address is not on this machine, so nothing can be told from here.
    elif [[ $address != *:* && $public != *4* ]]; then
      warn "the name $domain leads to $address; is that the router in front of this machine, and does it pass port 80 on?"
    else
      "$complain" "the name $domain leads to $address, which is not an address of this machine"
    fi
  done
  ((found)) || "$complain" "the name $domain has no address yet: make a DNS record for it"
}

# Where a web server runs already, the authority has to come through to it.
check_door() {
  [[ -z $(listeners 80) ]] || can_connect "$1" 80 ||
    fault "port 80 of $1 does not take connections, although a web server runs: the certificate's authority comes by it"
}
