# Sourced by install.sh: the settings that both roles read.
# shellcheck shell=bash

OWN_LINES='# Your own settings: every line from here on is kept, and wins over the ones above.'

# Whatever in the file is not the installer's, wherever it stands: ALLOWED_USERS must not get lost with a line above it.
own_settings() {
  awk -v mark="${OWN_LINES:0:20}" '
    index($0, mark) == 1 && !below { below = 1; next }
    below || !/^($|# Written by install\.sh|(TELEGRAM_API_URL|BOT_API_DIR|BOT_API_HELPER|STORAGE_PATH|DATABASE_URL|SERVER_SOCKET|X_ACCEL_PREFIX|DOWNLOAD_URL_BASE)=)/
  ' "$ETC/tgdepot.env"
}

write_settings() {
  local own=''
  [[ ! -f $ETC/tgdepot.env ]] || own=$(own_settings)
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
