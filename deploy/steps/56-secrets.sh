# shellcheck shell=bash disable=SC2034,SC2153
step_title='Secrets'

step_secrets() {
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
