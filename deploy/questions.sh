# Sourced by install.sh: asks for what was not given, one by one, and again until the answer is good.
# shellcheck shell=bash disable=SC2004,SC2153

# A person is asked on the terminal itself, even where standard input or output is a pipe.
can_ask() { ((ASK)) && { : </dev/tty; } 2>/dev/null; }

answer_to_person() { printf '%s\n' "$*" >/dev/tty; }

# Ctrl-D, or a terminal that is gone.
no_answer() {
  printf '\n'
  die 'nothing was changed: a question was left open'
}

# Leaves alone what was given, if it is good.
ask() {
  local name=$1 question=$2 default=${ANSWERS[$1]:-$3} reply wrong
  if [[ -v GIVEN[$name] ]]; then
    wrong=$(find_fault "$name" "${GIVEN[$name]}")
    [[ -n $wrong ]] || return 0
    answer_to_person "  $wrong"
    default=$3
  fi
  while :; do
    read -rp "$question${default:+ [$default]}: " reply </dev/tty 2>/dev/tty || no_answer
    GIVEN[$name]=${reply:-$default}
    wrong=$(find_fault "$name" "${GIVEN[$name]}")
    [[ -n $wrong ]] || break
    answer_to_person "  $wrong"
  done
  ANSWERS[$name]=${GIVEN[$name]}
}

ask_secret() {
  local name=$1 question=$2 reply wrong
  if [[ -n ${SECRET[$name]} ]]; then
    wrong=$(find_fault "$name" "${SECRET[$name]}")
    [[ -n $wrong ]] || return 0
    answer_to_person "  $wrong"
    SECRET[$name]=''
  fi
  if has_secret "$name"; then question+=' (empty keeps the present one)'; fi
  while :; do
    read -rsp "$question: " reply </dev/tty 2>/dev/tty || no_answer
    answer_to_person ''
    SECRET[$name]=${reply//[[:space:]]/}
    wrong=$(find_fault "$name" "${SECRET[$name]}")
    [[ -n $wrong ]] || return 0
    answer_to_person "  $wrong"
    SECRET[$name]=''
  done
}

ask_missing() {
  local keep=''
  if can_ask; then
    ask TGDEPOT_DOMAIN 'Host name of the links, for example files.example.org' ''
    ask TGDEPOT_TLS 'TLS: acme (Let'\''s Encrypt), self-signed, or none (another proxy on this machine)' acme
    case ${ANSWERS[TGDEPOT_TLS]} in
      acme) ask TGDEPOT_EMAIL 'Mail address for warnings about the certificate (may be empty)' '' ;;
      none) ask TGDEPOT_LISTEN 'Address and port for the other proxy to reach nginx' 127.0.0.1:8080 ;;
    esac
    ask_secret TELEGRAM_BOT_TOKEN 'Bot token from @BotFather'
    ask_secret TELEGRAM_API_ID 'api id from https://my.telegram.org'
    ask_secret TELEGRAM_API_HASH 'api hash from the same page'
    ((FRESH)) || keep=', or empty for those whom the settings name'
    ask TGDEPOT_USERS "Who may use the bot: claim (whoever opens a link that is printed at the end owns it), everyone,
  or Telegram ids like 42,43 (the first is the administrator)$keep" "$( ((FRESH == 0)) || printf claim)"
    ask_database_password
    if will_build || [[ -v GIVEN[TGDEPOT_BOT_API] ]]; then
      ask TGDEPOT_BOT_API "Path of a telegram-bot-api program, or build: to compile it here takes $(estimate_build)" build
    fi
  fi
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none && -z ${ANSWERS[TGDEPOT_LISTEN]} ]]; then
    ANSWERS[TGDEPOT_LISTEN]=127.0.0.1:8080
  fi
}
