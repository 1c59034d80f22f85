# Sourced by install.sh: asks this machine's Bot API server about a bot. Its port is checked first: a token goes to nobody
# else, and stands in no argument.
# shellcheck shell=bash disable=SC2034

BOT_API_URL=http://127.0.0.1:8081

# Whether the port is held by the user whom the installed unit names, and by nobody else.
server_listens() {
  local user
  user=$(sed -n 's/^User=//p' "$UNITS/tgdepot-bot-api.service" 2>/dev/null) || return 1
  [[ -n $user && $(listening_users "${BOT_API_URL##*:}") == "$(id -u "$user" 2>/dev/null)" ]]
}

# The server's answer about the bot of a token; nothing where it gives none. It may first have to log in to Telegram.
get_me() {
  server_listens || return 0
  printf 'url = "%s/bot%s/getMe"\n' "$BOT_API_URL" "$1" |
    curl --config - --silent --max-time 20 --noproxy '*' 2>/dev/null || true
}

# Only Telegram's own word counts: a server that is down, or serves another bot, knows nothing of this one.
is_refused() { [[ $(get_me "$1") == *'"error_code":401'* ]]; }

# Without the @.
bot_name() { get_me "$1" | sed -n 's/.*"username":"\([A-Za-z0-9_]*\)".*/\1/p'; }
