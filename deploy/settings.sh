# Sourced by install.sh: the settings that both roles read.
# shellcheck shell=bash

OWN_LINES='# Your own settings: every line from here on is kept, and wins over the ones above.'

write_settings() {
  local own=''
  [[ ! -f $ETC/tgdepot.env ]] || own=$(sed "1,/^${OWN_LINES:0:20}/d" "$ETC/tgdepot.env")
  cat <<EOF
# Written by install.sh, again at every run. All settings: $OPT/current/deploy/env.example
TELEGRAM_API_URL=http://127.0.0.1:8081
BOT_API_DIR=$DATA/bot-api
STORAGE_PATH=$DATA/store
DATABASE_URL=sqlite:$DATA/db/tgdepot.sqlite
SERVER_SOCKET=/run/tgdepot/web.sock
X_ACCEL_PREFIX=/_files/
DOWNLOAD_URL_BASE=https://${ANSWERS[TGDEPOT_DOMAIN],,}

$OWN_LINES
EOF
  [[ -z $own ]] || printf '%s\n' "$own"
}
