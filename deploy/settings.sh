# Sourced by install.sh: the settings that both roles read.
# shellcheck shell=bash

OWN_LINES='# Your own settings: every line from here on is kept, and wins over the ones above.'

# Whatever in the file is not the installer's, wherever it stands: ALLOWED_USERS must not get lost with a line above it.
own_settings() {
  local last
  last=$(sed -n 's/^TGDEPOT_USERS=//p' "$ETC/answers" 2>/dev/null || true)
  awk -v mark="${OWN_LINES:0:20}" -v ours="$(users_settings "$last"; users_settings "${ANSWERS[TGDEPOT_USERS]-}")" '
    BEGIN { split(ours, lines, "\n"); for (i in lines) made[lines[i]] = 1 }
    index($0, mark) == 1 && !below { below = 1; next }
    !below && $0 in made { next }
    below || !/^($|# Written by install\.sh|(TELEGRAM_API_URL|BOT_API_DIR|BOT_API_HELPER|STORAGE_PATH|DATABASE_URL|SERVER_SOCKET|X_ACCEL_PREFIX|DOWNLOAD_URL_BASE)=)/
  ' "$ETC/tgdepot.env"
}

# Who may use the bot, when the answer names them; a line that was changed since is the owner's.
users_settings() {
  [[ $1 =~ ^[0-9,]+$ ]] || return 0
  printf 'ADMIN_USERS=%s\nALLOWED_USERS=%s\n' "${1%%,*}" "$1"
}

write_settings() {
  local own=''
  [[ ! -f $ETC/tgdepot.env ]] || own=$(own_settings)
  cat <<EOF
# Written by install.sh, again at every run. All settings: $OPT/current/deploy/env.example
TELEGRAM_API_URL=$BOT_API_URL
BOT_API_DIR=$DATA/bot-api
BOT_API_HELPER=/run/tgdepot-api-helper.sock
STORAGE_PATH=$DATA/store
DATABASE_URL=sqlite:$DATA/db/tgdepot.sqlite
SERVER_SOCKET=/run/tgdepot/web.sock
X_ACCEL_PREFIX=/_files/
DOWNLOAD_URL_BASE=https://${ANSWERS[TGDEPOT_DOMAIN],,}
EOF
  users_settings "${ANSWERS[TGDEPOT_USERS]-}"
  printf '\n%s\n' "$OWN_LINES"
  [[ -z $own ]] || printf '%s\n' "$own"
}
