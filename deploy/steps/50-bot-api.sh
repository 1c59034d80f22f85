# shellcheck shell=bash disable=SC2034
step_title='Bot API server'

step_bot_api() {
  local wanted=${ANSWERS[TGDEPOT_BOT_API]} digest
  if [[ -n $wanted && $wanted != build && -x $wanted ]]; then
    digest=$(sha256sum <"$wanted")
    BOT_API=${digest:0:12}
    keep_bot_api "$BOT_API" <"$wanted"
  elif [[ -n $wanted && $wanted != build ]]; then
    # The given program is gone since; its copy stays in use.
    BOT_API=$(readlink "$OPT/bot-api/current")
  else
    BOT_API=${BOT_API_COMMIT:0:12}
    [[ -x $OPT/bot-api/$BOT_API/telegram-bot-api ]] || build_bot_api "$BOT_API"
  fi
  NOTE=$BOT_API
}
