# Sourced by install.sh and uninstall.sh: the settings that both roles read, and the secrets.
# shellcheck shell=bash disable=SC2153

MANAGED+=("$ETC/answers" "$ETC/tgdepot.env" "$ETC/bot-api.env")
WRITTEN+=("$SECRETS/.")

OWN_LINES='# Your own settings: every line from here on is kept, and wins over the ones above.'

install_settings() {
  # The number before the colon is the bot's public id.
  printf 'TELEGRAM_BOT_ID=%s\n' "$(cut -d: -f1 "$SECRETS/TELEGRAM_BOT_TOKEN")" | write_file "$ETC/bot-api.env" 0644
  # A role that starts in between finds one of the two databases, never none.
  ! uses_postgres || install_database
  write_settings | write_file "$ETC/tgdepot.env" 0644
  uses_postgres || remove_database
  # Not before: without code and names the bot would serve everyone.
  forget_claim_code
  save_answers
}

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
SERVER_SOCKET=/run/tgdepot/web.sock
X_ACCEL_PREFIX=/_files/
DOWNLOAD_URL_BASE=https://${ANSWERS[TGDEPOT_DOMAIN],,}
EOF
  # Another one's is a credential.
  uses_postgres || printf 'DATABASE_URL=sqlite:%s\n' "$DATA/db/tgdepot.sqlite"
  users_settings "${ANSWERS[TGDEPOT_USERS]-}"
  printf '\n%s\n' "$OWN_LINES"
  [[ -z $own ]] || printf '%s\n' "$own"
}

# The form of the owner's lines in the file of settings; the release itself looks at their names and values later.
check_settings() {
  local file=$ETC/tgdepot.env line name number=0
  [[ -r $file ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    ((++number))
    line=${line%$'\r'}
    # systemd before 254 takes the line after such a comment for its end, and with it, say, ALLOWED_USERS.
    if [[ $line == *\\ ]]; then
      fault "$file, line $number: a backslash at the end, which joins the next line to this one"
      continue
    fi
    [[ $line =~ ^[[:space:]]*([#\;]|$) ]] && continue
    name=${line%%=*} name=${name%"${name##*[![:space:]]}"} name=${name#"${name%%[![:space:]]*}"}
    # Without the line itself: it may hold a secret.
    if [[ $line != *=* ]]; then fault "$file, line $number: not NAME=value"
    elif [[ $name == TELEGRAM_BOT_TOKEN || $name == ADMIN_TOKEN || $name == CLAIM_CODE ]]; then
      fault "$file, line $number: $name is a secret and belongs into $SECRETS/$name: everyone here can read this file"
    elif [[ $name == DATABASE_URL ]] && holds_password "${line#*=}"; then
      fault "$file, line $number: DATABASE_URL holds a password, and everyone here can read this file: remove it, and give --database-file"
    elif [[ $name == DATABASE_URL ]] && uses_postgres && [[ $line != "DATABASE_URL=sqlite:$DATA/db/tgdepot.sqlite" ]]; then
      fault "$file, line $number: DATABASE_URL is what --database says: remove the line"
    fi
  done <"$file"
}

install_secrets() {
  # The bot is handed this file as it is.
  write_secret TELEGRAM_BOT_TOKEN '%s'
  # Read by systemd as environment files.
  write_secret TELEGRAM_API_ID 'TELEGRAM_API_ID=%s\n'
  write_secret TELEGRAM_API_HASH 'TELEGRAM_API_HASH=%s\n'
  make_admin_token
  make_claim_code
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

purge_settings() { rm -rf "$ETC"; }
