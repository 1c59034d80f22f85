# Sourced by install.sh: the code by which somebody becomes the owner of the bot.
# shellcheck shell=bash disable=SC2153

# Made once. Like a secret that was given, it stays when a release goes back.
make_claim_code() {
  [[ ${ANSWERS[TGDEPOT_USERS]-} == claim && ! -s $SECRETS/CLAIM_CODE ]] || return 0
  printf 'CLAIM_CODE=%s\n' "$(openssl rand -base64 16 | tr '/+' '_-' | tr -d '=')" | write_file "$SECRETS/CLAIM_CODE" 0600
}

# Of another answer than the present one.
forget_claim_code() {
  [[ -n ${ANSWERS[TGDEPOT_USERS]-} && ${ANSWERS[TGDEPOT_USERS]} != claim && -e $SECRETS/CLAIM_CODE ]] || return 0
  rm -f "$SECRETS/CLAIM_CODE"
  mark_changed
}

# A release from before there were owners minds no code.
warn_of_open_bot() {
  [[ -s $SECRETS/CLAIM_CODE && ! -d $OPT/current/app/claim ]] || return 0
  grep -qE '^ALLOWED_USERS=.' "$ETC/tgdepot.env" ||
    warn "release $(current_release) knows no owner of the bot: whoever finds it may use it, until ALLOWED_USERS in $ETC/tgdepot.env names who may"
}

# Says how the bot gets its owner, while it has none. The code is for the person who installs it alone: in no log.
show_claim() {
  local code name
  [[ -s $SECRETS/CLAIM_CODE ]] || return 0
  [[ ! $("$COMMAND" owner 2>/dev/null) =~ ^[0-9]+ ]] || return 0
  code=$(sed -n 's/^CLAIM_CODE=//p' "$SECRETS/CLAIM_CODE")
  name=$(bot_name "$(<"$SECRETS/TELEGRAM_BOT_TOKEN")")
  printf '\nThe bot has no owner yet and serves nobody. It will belong to the first person who '
  if [[ -n $name ]]; then printf 'opens this link:\n  https://t.me/%s?start=%s\n' "$name" "$code"
  else printf 'sends it this message:\n  /start %s\n' "$code"
  fi
}
