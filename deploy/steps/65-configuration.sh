# shellcheck shell=bash disable=SC2034,SC2153
step_title='Settings'

step_configuration() {
  # The number before the colon is the bot's public id.
  printf 'TELEGRAM_BOT_ID=%s\n' "$(cut -d: -f1 "$SECRETS/TELEGRAM_BOT_TOKEN")" | write_file "$ETC/bot-api.env" 0644
  write_settings | write_file "$ETC/tgdepot.env" 0644
  # Not before: without code and names the bot would serve everyone.
  forget_claim_code
  fill_firewall "$SOURCE/deploy/firewall.nft" | write_file "$ETC/firewall.nft" 0644
  save_answers
}

# Users by number: nft resolves names when the file is loaded, and at boot that must not depend on anything.
fill_firewall() {
  local network allowed4='' allowed6=''
  for network in ${ANSWERS[TGDEPOT_BOT_API_EGRESS]//,/ }; do
    if [[ $network == *:* ]]; then allowed6+="$network, "; else allowed4+="$network, "; fi
  done
  sed -e "s/@BOT@/$(id -u tgdepot)/; s/@SERVER@/$(id -u tgdepot-api)/" \
    -e "s|@LISTEN@|$(guard_listen)|" \
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
