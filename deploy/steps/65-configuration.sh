# shellcheck shell=bash disable=SC2034,SC2153
step_title='Settings'

step_configuration() {
  # The number before the colon is the bot's public id.
  printf 'TELEGRAM_BOT_ID=%s\n' "$(cut -d: -f1 "$SECRETS/TELEGRAM_BOT_TOKEN")" | write_file "$ETC/bot-api.env" 0644
  write_settings | write_file "$ETC/tgdepot.env" 0644
  sed "s/@UID@/$(id -u tgdepot)/" "$SOURCE/deploy/firewall.nft" | write_file "$ETC/firewall.nft" 0644
  save_answers
}
