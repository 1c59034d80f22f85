# Sourced by install.sh: what the owner wants, from flags, the environment, an answers file, the last run, or a prompt.
# shellcheck shell=bash disable=SC2004,SC2034,SC2153

# Answers are kept in /etc/tgdepot/answers for the next run, secrets are not.
ANSWER_NAMES=(TGDEPOT_DOMAIN TGDEPOT_TLS TGDEPOT_EMAIL TGDEPOT_ACME_SERVER TGDEPOT_LISTEN TGDEPOT_BOT_API)
SECRET_NAMES=(TELEGRAM_BOT_TOKEN TELEGRAM_API_ID TELEGRAM_API_HASH)
# FLAGS: from the command line. GIVEN: from anywhere in this run. ANSWERS and SECRET: what holds in the end.
declare -A FLAGS=() GIVEN=() ANSWERS=() SECRET=()
ANSWERS_FILE=''
ASK=1
ACTION=install
# Everything that is wrong, so that the owner reads it all at once.
FAULTS=()

fault() { FAULTS+=("$*"); }

show_help() {
  cat <<'TEXT'
Usage: sudo ./install.sh [options]
Installs tgdepot, repairs it, or upgrades it to this checkout. What is not given is asked for.

  --domain NAME            host name of the links                      TGDEPOT_DOMAIN
  --tls KIND               acme, self-signed, or none (another proxy   TGDEPOT_TLS
                           on this machine ends TLS)
  --email ADDRESS          for acme: where expiry warnings go          TGDEPOT_EMAIL
  --acme-server URL        for acme: directory of another authority    TGDEPOT_ACME_SERVER
  --listen [ADDR:]PORT     for none: where nginx listens               TGDEPOT_LISTEN (127.0.0.1:8080)
  --bot-api PATH           a ready telegram-bot-api program;           TGDEPOT_BOT_API
                           "build" builds the pinned version
  --bot-token-file FILE    the bot's token from @BotFather             TELEGRAM_BOT_TOKEN
  --api-id-file FILE       api id from https://my.telegram.org         TELEGRAM_API_ID
  --api-hash-file FILE     api hash from the same page                 TELEGRAM_API_HASH
  --answers FILE           NAME=value lines, the names of the right column
  --yes                    never ask; what is missing is an error
  --rollback               back to the release before the last upgrade
  --help                   this text

The names on the right are read from the environment too. A flag comes before the environment, the environment
before the answers file, that before what the last run was told. Secrets have no flag: ps would show them.
TEXT
}

read_arguments() {
  local flag name
  while (($#)); do
    flag=$1
    shift
    case $flag in
      --help) show_help; exit 0 ;;
      --yes) ASK=0; continue ;;
      --rollback) ACTION=rollback; continue ;;
      --domain | --tls | --email | --acme-server | --listen | --bot-api)
        name=${flag#--} name=TGDEPOT_${name^^} ;;
      --bot-token-file) name=TELEGRAM_BOT_TOKEN ;;
      --api-id-file | --api-hash-file) name=${flag#--} name=${name%-file} name=TELEGRAM_${name^^} ;;
      --answers) name=ANSWERS_FILE ;;
      # Without the value: it may be a secret.
      --*=*) die "${flag%%=*}: its value comes after a space (see --help)" ;;
      *) die "unknown option $flag (see --help)" ;;
    esac
    (($#)) || die "$flag needs a value (see --help)"
    name=${name//-/_}
    case $name in
      ANSWERS_FILE) ANSWERS_FILE=$1 ;;
      TELEGRAM_*) read_secret_file "$name" "$1" ;;
      *) FLAGS[$name]=$1 ;;
    esac
    shift
  done
}

read_secret_file() {
  if [[ ! -d $2 && -r $2 ]]; then FLAGS[$1]=$(tr -d '[:space:]' <"$2"); else fault "$2: no such file to read $1 from"; fi
}

# Reads NAME=value lines into the associative array of the given name (none of the names used here), as data,
# never as shell.
read_answers() {
  local file=$1 line name number=0
  local -n into=$2
  if [[ ! -r $file ]]; then fault "$file: cannot be read"; return; fi
  while IFS= read -r line || [[ -n $line ]]; do
    ((++number))
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
    name=${line%%=*}
    if [[ $line != *=* ]]; then fault "$file, line $number: not NAME=value"
    elif [[ " ${ANSWER_NAMES[*]} ${SECRET_NAMES[*]} " != *" $name "* ]]; then fault "$file, line $number: $name is not known"
    else
      line=${line#"$name="}
      line=${line#"${line%%[![:space:]]*}"}
      into[$name]=${line%"${line##*[![:space:]]}"}
    fi
  done <"$file"
}

# Settles every value that was given. Secrets leave the environment here: no child of ours needs them.
collect_answers() {
  local name
  # shellcheck disable=SC2034  # filled and read by name
  local -A last_run=() answered=()
  [[ ! -r $ETC/answers ]] || read_answers "$ETC/answers" last_run
  [[ -z $ANSWERS_FILE ]] || read_answers "$ANSWERS_FILE" answered
  for name in "${ANSWER_NAMES[@]}" "${SECRET_NAMES[@]}"; do
    if [[ -v FLAGS[$name] ]]; then GIVEN[$name]=${FLAGS[$name]}
    elif [[ -v $name ]]; then GIVEN[$name]=${!name}
    elif [[ -v answered[$name] ]]; then GIVEN[$name]=${answered[$name]}
    fi
  done
  for name in "${ANSWER_NAMES[@]}"; do ANSWERS[$name]=${GIVEN[$name]-${last_run[$name]-}}; done
  for name in "${SECRET_NAMES[@]}"; do
    SECRET[$name]=${GIVEN[$name]-}
    unset "$name"
  done
}

# Back to the answers that the installed files were made from.
reload_answers() {
  ANSWERS=()
  read_answers "$ETC/answers" ANSWERS
  local name
  for name in "${ANSWER_NAMES[@]}"; do ANSWERS[$name]=${ANSWERS[$name]-}; done
}

has_secret() { [[ -n ${SECRET[$1]} || -s $SECRETS/$1 ]]; }

# Ctrl-D.
no_answer() {
  printf '\n'
  die 'nothing was changed: a question was left open'
}

ask() {
  local name=$1 question=$2 default=${ANSWERS[$1]:-$3} reply
  [[ ! -v GIVEN[$name] ]] || return 0
  read -rp "$question${default:+ [$default]}: " reply </dev/tty || no_answer
  ANSWERS[$name]=${reply:-$default}
}

ask_secret() {
  local name=$1 question=$2 reply
  [[ -z ${SECRET[$name]} ]] || return 0
  if has_secret "$name"; then question+=' (empty keeps the present one)'; fi
  read -rsp "$question: " reply </dev/tty || no_answer
  printf '\n'
  SECRET[$name]=${reply//[[:space:]]/}
}

ask_missing() {
  if ((ASK)) && [[ -t 0 ]]; then
    ask TGDEPOT_DOMAIN 'Host name of the links, for example files.example.org' ''
    ask TGDEPOT_TLS 'TLS: acme (Let'\''s Encrypt), self-signed, or none (another proxy on this machine)' acme
    case ${ANSWERS[TGDEPOT_TLS]} in
      acme) ask TGDEPOT_EMAIL 'Address for warnings about the certificate' '' ;;
      none) ask TGDEPOT_LISTEN 'Address and port for the other proxy to reach nginx' 127.0.0.1:8080 ;;
    esac
    ask_secret TELEGRAM_BOT_TOKEN 'Bot token from @BotFather'
    ask_secret TELEGRAM_API_ID 'api id from https://my.telegram.org'
    ask_secret TELEGRAM_API_HASH 'api hash from the same page'
  fi
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none && -z ${ANSWERS[TGDEPOT_LISTEN]} ]]; then
    ANSWERS[TGDEPOT_LISTEN]=127.0.0.1:8080
  fi
}

# A value that breaks here would end up inside nginx, systemd or shell files: only plain forms pass.
check_answers() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN]} tls=${ANSWERS[TGDEPOT_TLS]} name value pattern form
  local label='[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
  if [[ -z $domain ]]; then fault 'no domain: give --domain'
  elif [[ ! $domain =~ ^$label(\.$label)*$ ]] || ((${#domain} > 253)); then fault "domain '$domain': not a host name"
  fi
  case $tls in
    acme)
      [[ ${ANSWERS[TGDEPOT_EMAIL]} =~ ^[^[:space:]@]+@[^[:space:]@]+$ ]] || fault 'tls acme: give a mail address by --email'
      [[ ${ANSWERS[TGDEPOT_ACME_SERVER]} =~ ^(https?://[^[:space:]]+)?$ ]] || fault 'acme server: not a URL' ;;
    none)
      value=${ANSWERS[TGDEPOT_LISTEN]##*:}
      if [[ ! ${ANSWERS[TGDEPOT_LISTEN]} =~ ^(([0-9.]+|\[[0-9A-Fa-f:]+\]):)?[0-9]{1,5}$ ]] || ((10#$value < 1 || 10#$value > 65535)); then
        fault "listen '${ANSWERS[TGDEPOT_LISTEN]}': not [ADDRESS:]PORT"
      fi ;;
    self-signed) ;;
    '') fault 'no kind of TLS: give --tls acme, self-signed or none' ;;
    *) fault "tls '$tls': acme, self-signed or none" ;;
  esac
  for name in "${SECRET_NAMES[@]}"; do
    case $name in
      TELEGRAM_BOT_TOKEN) pattern='^[1-9][0-9]{4,15}:[A-Za-z0-9_-]{35,100}$' form='a bot token, 123456789:AbC…' ;;
      TELEGRAM_API_ID) pattern='^[1-9][0-9]{0,9}$' form='an api id, a number' ;;
      TELEGRAM_API_HASH) pattern='^[0-9A-Fa-f]{32}$' form='an api hash, 32 hexadecimal digits' ;;
    esac
    if ! has_secret "$name"; then fault "$name is missing: give a file, the environment or an answers file"
    elif [[ -n ${SECRET[$name]} && ! ${SECRET[$name]} =~ $pattern ]]; then fault "$name does not have the form of $form"
    fi
  done
  value=${ANSWERS[TGDEPOT_BOT_API]}
  # The program of an earlier run may be gone: its copy in /opt stays in use.
  if [[ -n $value && $value != build && ! (-f $value && -x $value) ]] &&
    [[ -v GIVEN[TGDEPOT_BOT_API] || ! -e $OPT/bot-api/current ]]; then
    fault "bot api '$value': not a program"
  fi
}

# The owner's lines in the file of settings. systemd hands on whatever stands there, and a name that nobody reads says
# nothing: ALLOWED_USER would leave the bot open to all.
check_settings() {
  local file=$ETC/tgdepot.env line name number=0 known
  [[ -r $file ]] || return 0
  known=$(sed -n 's/^#\([A-Z_]*\)=.*/\1/p' "$SOURCE/deploy/env.example")
  while IFS= read -r line || [[ -n $line ]]; do
    ((++number))
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*([#\;]|$) ]] && continue
    name=${line%%=*} name=${name%"${name##*[![:space:]]}"} name=${name#"${name%%[![:space:]]*}"}
    # Without the line itself: it may hold a secret.
    if [[ $line != *=* ]]; then fault "$file, line $number: not NAME=value"
    elif [[ $name != NODE_* ]] && ! grep -qxF -- "$name" <<<"$known"; then
      fault "$file, line $number: there is no setting $name (all of them: $SOURCE/deploy/env.example)"
    elif [[ $name == TELEGRAM_BOT_TOKEN || $name == ADMIN_TOKEN ]]; then
      fault "$file, line $number: $name is a secret and belongs into $SECRETS/$name: everyone here can read this file"
    fi
  done <"$file"
}

save_answers() {
  local name
  for name in "${ANSWER_NAMES[@]}"; do
    [[ -z ${ANSWERS[$name]} ]] || printf '%s=%s\n' "$name" "${ANSWERS[$name]}"
  done | write_file "$ETC/answers" 0644
}
