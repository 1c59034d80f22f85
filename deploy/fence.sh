# Sourced by install.sh and uninstall.sh: the rules around the Bot API server (firewall.nft), and the unit that keeps them.
# shellcheck shell=bash disable=SC2034,SC2153

MANAGED+=("$ETC/firewall.nft")

install_fence() { fill_fence "$SOURCE/deploy/firewall.nft" | write_file "$ETC/firewall.nft" 0644; }

# Users by number: nft resolves names when the file is loaded, and at boot that must not depend on anything.
fill_fence() {
  local network allowed4='' allowed6='' database
  for network in ${ANSWERS[TGDEPOT_BOT_API_EGRESS]//,/ }; do
    if [[ $network == *:* ]]; then allowed6+="$network, "; else allowed4+="$network, "; fi
  done
  database=$(fence_database)
  sed -e "s/@BOT@/$(id -u tgdepot)/; s/@SERVER@/$(id -u tgdepot-api)/" \
    -e "s|@LISTEN@|$(guard_listen)|" -e "s|@DATABASE@|${database//$'\n'/\\n    }|" \
    -e "s|@ALLOWED4@|${allowed4:+elements = { ${allowed4%, } \}}|; s|@ALLOWED6@|${allowed6:+elements = { ${allowed6%, } \}}|" "$1"
}

# The rule that keeps others from where nginx listens behind another proxy: what they answer begins no connection.
guard_listen() {
  local listen=${ANSWERS[TGDEPOT_LISTEN]-} from='meta nfproto ipv4'
  [[ ${ANSWERS[TGDEPOT_TLS]-} == none ]] || return 0
  case $listen in
    '[::]:'*) from='meta nfproto ipv6' ;;
    '['*) from="ip6 saddr ${listen:1:-1}" from=${from%]*} ;;
    0.0.0.0:*) ;;
    *:*) from="ip saddr ${listen%:*}" ;;
  esac
  printf '%s tcp sport %s tcp flags syn,ack / syn,ack meta skuid != 0 drop' "$from" "${listen##*:}"
}

# An address or a network, as the firewall takes it.
is_network() {
  local address=${1%/*} bits=0 most=32
  [[ $1 != */* ]] || bits=${1##*/}
  [[ $address != *:* ]] || most=128
  [[ $bits =~ ^[0-9]{1,3}$ ]] && ((10#$bits <= most)) && [[ -n $(plain_address "$address") ]]
}

# The Bot API server requires this unit, so it restarts with it; new rules alone are loaded without that.
load_fence() {
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

# The unit that would bring them back is gone by then.
remove_fence() {
  nft delete table inet tgdepot 2>/dev/null || true
  say 'ok       firewall table removed'
}
