# Sourced by install.sh and uninstall.sh: who listens on this machine, and the ports that visitors come by, where ufw or
# firewalld guards it.
# shellcheck shell=bash disable=SC2034

# Who listens on a TCP port: "name pid" lines; nothing where it is free.
listeners() {
  ss -Hltnp "sport = :$1" 2>/dev/null | grep -o '"[^"]*",pid=[0-9]*' | sed 's/"\([^"]*\)",pid=/\1 /' | sort -u || true
}

# The numbers of the users who listen on a TCP port. This is the kernel's word: a program's name, and the unit below one's own
# systemd, can be chosen by anyone.
listening_users() { ss -Hltne "sport = :$1" 2>/dev/null | awk '{ print match($0, / uid:[0-9]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : 0 }' | sort -u; }

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

# What we have opened, "ufw 80/tcp" or "firewalld 80/tcp zone": nothing else is closed again.
opened_ports() { cat "$STATE/opened-ports" 2>/dev/null || true; }

# Behind another proxy nobody comes from outside.
open_ports() {
  local port zone opened=()
  [[ ${ANSWERS[TGDEPOT_TLS]} != none ]] || return 0
  for port in 80/tcp 443/tcp; do
    if ufw_is_active && ufw_says "$port" '(DENY|REJECT|LIMIT)( IN)?'; then
      warn "ufw has a rule against $port, which stays: visitors may not get through"
    elif ufw_is_active && ! ufw_says "$port" 'ALLOW( IN)?'; then
      run ufw allow "$port"
      note_port "ufw $port"
      opened+=("$port in ufw")
    fi
    if firewalld_is_active; then
      zone=$(outer_zone)
      ! firewalld_allows "$port" "$zone" || continue
      run firewall-cmd --permanent --zone="$zone" --add-port="$port"
      run firewall-cmd --zone="$zone" --add-port="$port"
      note_port "firewalld $port $zone"
      opened+=("$port in firewalld")
    fi
  done
  ((${#opened[@]})) || return 0
  mark_changed
  NOTE="opened $(printf '%s, ' "${opened[@]}" | sed 's/, $//')"
}

note_port() { grep -qsxF "$1" "$STATE/opened-ports" || printf '%s\n' "$1" >>"$STATE/opened-ports"; }

close_ports() {
  local guard port zone
  opened_ports | while read -r guard port zone; do
    case $guard in
      ufw) ! ufw_is_active || ufw delete allow "$port" >/dev/null || true ;;
      firewalld)
        firewalld_is_active || continue
        firewall-cmd --quiet --permanent --zone="$zone" --remove-port="$port" || true
        firewall-cmd --quiet --zone="$zone" --remove-port="$port" || true ;;
    esac
    say "ok       closed $port in $guard"
  done
  rm -f "$STATE/opened-ports"
}

ufw_is_active() { [[ $(LC_ALL=C ufw status 2>/dev/null) == 'Status: active'* ]]; }

# Of a port, by its own name or that of the profile which nginx brings.
ufw_says() {
  local port=${1%/tcp} profile='Nginx HTTP'
  [[ $port == 80 ]] || profile='Nginx HTTPS'
  LC_ALL=C ufw status | grep -qE "^($port|$port/tcp|80,443/tcp|Nginx Full|$profile) +$2 +Anywhere *$"
}

firewalld_is_active() { [[ $(LC_ALL=C firewall-cmd --state 2>/dev/null) == running ]]; }

# The zone of the interface that leads to the internet.
outer_zone() {
  local device
  device=$(ip -oneline route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  LC_ALL=C firewall-cmd --get-zone-of-interface="$device" 2>/dev/null || firewall-cmd --get-default-zone
}

firewalld_allows() {
  local service=http
  [[ $1 == 80/tcp ]] || service=https
  firewall-cmd --quiet --zone="$2" --query-port="$1" || firewall-cmd --quiet --zone="$2" --query-service="$service"
}
