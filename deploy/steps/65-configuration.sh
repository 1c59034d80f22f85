# shellcheck shell=bash disable=SC2034,SC2153
step_title='Settings and secrets'

OWN_LINES='# Your own settings: every line from here on is kept, and wins over the ones above.'

step_configuration() {
  # The bot is handed this file as it is.
  write_secret TELEGRAM_BOT_TOKEN '%s'
  # Read by systemd as environment files.
  write_secret TELEGRAM_API_ID 'TELEGRAM_API_ID=%s\n'
  write_secret TELEGRAM_API_HASH 'TELEGRAM_API_HASH=%s\n'
  make_admin_token
  # The number before the colon is the bot's public id.
  printf 'TELEGRAM_BOT_ID=%s\n' "$(cut -d: -f1 "$SECRETS/TELEGRAM_BOT_TOKEN")" | write_file "$ETC/bot-api.env" 0644
  write_settings | write_file "$ETC/tgdepot.env" 0644
  fill_firewall "$SOURCE/deploy/firewall.nft" | write_file "$ETC/firewall.nft" 0644
  save_answers
}

# A secret that was not given stays as it is.
write_secret() {
  # shellcheck disable=SC2059
  [[ -z ${SECRET[$1]} ]] || printf "$2" "${SECRET[$1]}" | write_file "$SECRETS/$1" 0600
}

# Made once: whoever knows it may call POST /cleanup.
make_admin_token() {
  [[ -s $SECRETS/ADMIN_TOKEN ]] || printf 'ADMIN_TOKEN=%s\n' "$(openssl rand -hex 32)" | write_file "$SECRETS/ADMIN_TOKEN" 0600
}

# Users by number: nft resolves names when the file is loaded, and at boot that must not depend on anything.
fill_firewall() {
  local network allowed4='' allowed6=''
  for network in ${ANSWERS[TGDEPOT_BOT_API_EGRESS]//,/ }; do
    if [[ $network == *:* ]]; then allowed6+="$network, "; else allowed4+="$network, "; fi
  done
  sed -e "s/@BOT@/$(id -u tgdepot)/; s/@SERVER@/$(id -u tgdepot-api)/" \
    -e "s|@ALLOWED4@|${allowed4:+elements = { ${allowed4%, } \}}|; s|@ALLOWED6@|${allowed6:+elements = { ${allowed6%, } \}}|" "$1"
}

write_settings() {
  local own=''
  [[ ! -f $ETC/tgdepot.env ]] || own=$(sed "1,/^${OWN_LINES:0:20}/d" "$ETC/tgdepot.env")
  cat <<EOF
# Written by install.sh, again at every run. All settings: $OPT/current/deploy/env.example
TELEGRAM_API_URL=http://127.0.0.1:8081
BOT_API_DIR=$DATA/bot-api
BOT_API_HELPER=/run/tgdepot-api-helper.sock
STORAGE_PATH=$DATA/store
DATABASE_URL=sqlite:$DATA/db/tgdepot.sqlite
SERVER_SOCKET=/run/tgdepot/web.sock
X_ACCEL_PREFIX=/_files/
DOWNLOAD_URL_BASE=https://${ANSWERS[TGDEPOT_DOMAIN],,}

$OWN_LINES
EOF
  [[ -z $own ]] || printf '%s\n' "$own"
}
