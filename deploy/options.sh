# Sourced by install.sh: what the owner wants, from flags, the environment, an answers file or the last run. What is
# missing then is asked for (questions.sh); what is wrong is said (values.sh).
# shellcheck shell=bash disable=SC2004,SC2034,SC2153

# Answers are kept in /etc/tgdepot/answers for the next run, secrets are not.
ANSWER_NAMES=(TGDEPOT_DOMAIN TGDEPOT_TLS TGDEPOT_EMAIL TGDEPOT_ACME_SERVER TGDEPOT_LISTEN TGDEPOT_USERS TGDEPOT_DATABASE
  TGDEPOT_BOT_API TGDEPOT_BOT_API_EGRESS)
SECRET_NAMES=(TELEGRAM_BOT_TOKEN TELEGRAM_API_ID TELEGRAM_API_HASH)
# FLAGS: from the command line. GIVEN: from anywhere in this run. ANSWERS and SECRET: what holds in the end.
declare -gA FLAGS=() GIVEN=() ANSWERS=() SECRET=()
ANSWERS_FILE=''
ASK=1
ACTION=install
# Whether no run has settled its answers on this machine before.
FRESH=1
# Everything that is wrong, so that the owner reads it all at once.
FAULTS=()

fault() { FAULTS+=("$*"); }

show_help() {
  cat <<'TEXT'
Usage: sudo ./install.sh [options]
Installs tgdepot, repairs it, or upgrades it to this checkout. What is not given is asked for on the terminal.

  --domain NAME            host name of the links                      TGDEPOT_DOMAIN
  --tls KIND               acme, self-signed, or none (another proxy   TGDEPOT_TLS
                           on this machine ends TLS)
  --email ADDRESS          for acme, may be left out: where the        TGDEPOT_EMAIL
                           authority's warnings go
  --acme-server URL        for acme: directory of another authority    TGDEPOT_ACME_SERVER
  --listen [ADDR:]PORT     for none: where nginx listens               TGDEPOT_LISTEN (127.0.0.1:8080)
  --users WHO              who may use the bot: "claim" (whoever opens TGDEPOT_USERS
                           the link printed at the end owns it),
                           Telegram ids (42,43: the first is the
                           administrator), or "everyone"
  --database URL           sqlite, or a PostgreSQL: postgres://         TGDEPOT_DATABASE (sqlite)
                           user@host/name on the network,
                           postgres:///name?host=/run/postgresql here
  --database-file FILE     the same, where it holds a password
  --bot-api PATH           a ready telegram-bot-api program;           TGDEPOT_BOT_API
                           "build" builds the pinned version
  --bot-token-file FILE    the bot's token from @BotFather             TELEGRAM_BOT_TOKEN
  --api-id-file FILE       api id from https://my.telegram.org         TELEGRAM_API_ID
  --api-hash-file FILE     api hash from the same page                 TELEGRAM_API_HASH
  (no flag)                private networks that the Bot API server    TGDEPOT_BOT_API_EGRESS
                           may reach, 10.1.2.0/24,fd00:1::/64
  --answers FILE           NAME=value lines, the names of the right column
  --yes                    never ask; what is missing is an error
  --rollback               back to the release before the last upgrade
  --attach                 shows the run that goes on, until its end
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
      --attach) ACTION=attach; continue ;;
      --domain | --tls | --email | --acme-server | --listen | --users | --bot-api | --database)
        name=${flag#--} name=TGDEPOT_${name^^} ;;
      --bot-token-file) name=TELEGRAM_BOT_TOKEN ;;
      --database-file) name=DATABASE_FILE ;;
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
      DATABASE_FILE) read_secret_file TGDEPOT_DATABASE "$1" ;;
      TGDEPOT_DATABASE)
        ! holds_password "$1" ||
          die '--database: a password on the command line shows in ps: give the URL by --database-file, or leave the password out to be asked for it'
        FLAGS[$name]=$1 ;;
      *) FLAGS[$name]=$1 ;;
    esac
    shift
  done
}

read_secret_file() {
  if [[ -d $2 || ! -r $2 ]]; then
    fault "$2: no such file to read $1 from"
    return
  fi
  FLAGS[$1]=$(tr -d '[:space:]' <"$2")
  # Without a word the present one would stay.
  [[ -n ${FLAGS[$1]} ]] || fault "$2: is empty, and $1 was to be read from it"
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
  [[ ! -r $ETC/answers ]] || { FRESH=0; read_answers "$ETC/answers" last_run; }
  [[ -z $ANSWERS_FILE ]] || read_answers "$ANSWERS_FILE" answered
  for name in "${ANSWER_NAMES[@]}" "${SECRET_NAMES[@]}"; do
    if [[ -v FLAGS[$name] ]]; then GIVEN[$name]=${FLAGS[$name]}
    elif [[ -v $name ]]; then GIVEN[$name]=${!name}
    elif [[ -v answered[$name] ]]; then GIVEN[$name]=${answered[$name]}
    fi
  done
  # Nothing said is nothing changed: without the names of the last run the bot would be everyone's.
  [[ -n ${GIVEN[TGDEPOT_USERS]-} ]] || unset 'GIVEN[TGDEPOT_USERS]'
  for name in "${ANSWER_NAMES[@]}"; do ANSWERS[$name]=${GIVEN[$name]-${last_run[$name]-}}; done
  for name in "${SECRET_NAMES[@]}"; do
    SECRET[$name]=${GIVEN[$name]-}
    unset "$name"
  done
  LAST_DATABASE=${last_run[TGDEPOT_DATABASE]-}
  part_database
  unset TGDEPOT_DATABASE
}

# Back to the answers that the installed files were made from.
reload_answers() {
  ANSWERS=()
  read_answers "$ETC/answers" ANSWERS
  local name
  for name in "${ANSWER_NAMES[@]}"; do ANSWERS[$name]=${ANSWERS[$name]-}; done
}

has_secret() { [[ -n ${SECRET[$1]} || -s $SECRETS/$1 ]]; }

save_answers() {
  local name
  for name in "${ANSWER_NAMES[@]}"; do
    [[ -z ${ANSWERS[$name]} ]] || printf '%s=%s\n' "$name" "${ANSWERS[$name]}"
  done | write_file "$ETC/answers" 0644
}
