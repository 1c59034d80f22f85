# Sourced by install.sh: what an answer must look like, whether it came by a flag, from a file or from a person. A value
# that breaks here would end up inside nginx, systemd or shell files: only plain forms pass.
# shellcheck shell=bash disable=SC2153

# Prints what is wrong with a value; nothing when it is good. A secret is never in it.
find_fault() {
  local name=$1 value=$2
  case $name in
    TGDEPOT_DOMAIN) find_domain_fault "$value" ;;
    TGDEPOT_TLS)
      case $value in
        acme | self-signed | none) ;;
        '') printf 'no kind of TLS: give --tls acme, self-signed or none\n' ;;
        *) printf "tls '%s': acme, self-signed or none\n" "$value" ;;
      esac ;;
    TGDEPOT_EMAIL) [[ $value =~ ^([^[:space:]@]+@[^[:space:]@]+)?$ ]] || printf "email '%s': not a mail address\n" "$value" ;;
    TGDEPOT_ACME_SERVER) [[ $value =~ ^(https?://[^[:space:]]+)?$ ]] || printf 'acme server: not a URL\n' ;;
    TGDEPOT_LISTEN) find_listen_fault "$value" ;;
    TGDEPOT_USERS) find_users_fault "$value" ;;
    TGDEPOT_DATABASE) find_database_fault "$value" ;;
    TGDEPOT_BOT_API)
      # The program of an earlier run may be gone: its copy in /opt stays in use.
      [[ -z $value || $value == build || (-f $value && -x $value) || (! -v GIVEN[TGDEPOT_BOT_API] && -e $OPT/bot-api/current) ]] ||
        printf "bot api '%s': not a program\n" "$value" ;;
    TGDEPOT_BOT_API_EGRESS)
      local network
      for network in ${value//,/ }; do
        is_network "$network" || printf "bot api egress '%s': not a network like 10.1.2.0/24\n" "$network"
      done ;;
    *) find_secret_fault "$name" "$value" ;;
  esac
}

# Whether an answer plays a part beside the others.
is_wanted() {
  case $1 in
    TGDEPOT_EMAIL | TGDEPOT_ACME_SERVER) [[ ${ANSWERS[TGDEPOT_TLS]} == acme ]] ;;
    TGDEPOT_LISTEN) [[ ${ANSWERS[TGDEPOT_TLS]} == none ]] ;;
  esac
}

check_answers() {
  local name wrong
  for name in "${ANSWER_NAMES[@]}"; do
    is_wanted "$name" || continue
    wrong=$(find_fault "$name" "${ANSWERS[$name]}")
    [[ -z $wrong ]] || fault "$wrong"
  done
  for name in "${SECRET_NAMES[@]}"; do
    wrong=$(find_fault "$name" "${SECRET[$name]}")
    [[ -z $wrong ]] || fault "$wrong"
  done
}

find_domain_fault() {
  local label='[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
  if [[ -z $1 ]]; then printf 'no domain: give --domain\n'
  elif [[ ! $1 =~ ^$label(\.$label)*$ ]] || ((${#1} > 253)); then printf "domain '%s': not a host name\n" "$1"
  # The certificate would not be for it, which shows when all else is done.
  elif [[ $1 =~ (^|\.)[0-9]+$ && ${ANSWERS[TGDEPOT_TLS]-} != none ]]; then printf "domain '%s': an address; a certificate needs a host name\n" "$1"
  fi
}

# nginx would refuse it, or fail to open it, when everything else is done; and what it opens is looked for as it is printed.
find_listen_fault() {
  local address=${1%:*} port=${1##*:} plain
  if [[ ! $1 =~ ^(([0-9.]+|\[[0-9A-Fa-f:]+\]):)?[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
    printf "listen '%s': not [ADDRESS:]PORT\n" "$1"
    return
  fi
  [[ $1 == *:* ]] || return 0
  address=${address#[} address=${address%]}
  plain=$(plain_address "$address")
  if [[ -z $plain ]]; then printf "listen '%s': %s is no address\n" "$1" "$address"
  elif [[ $plain != "$address" ]]; then printf "listen '%s': write the address as %s\n" "$1" "$plain"
  elif [[ $address != 0.0.0.0 && $address != '::' ]] && command -v ip >/dev/null &&
    [[ $(ip -oneline route get "$address" 2>/dev/null) != 'local '* ]]; then
    printf "listen '%s': %s is no address of this machine\n" "$1" "$address"
  fi
}

# An address as the kernel prints it; nothing for what is none.
plain_address() {
  local family=AF_INET
  [[ $1 != *:* ]] || family=AF_INET6
  perl -MSocket=inet_pton,inet_ntop,AF_INET,AF_INET6 \
    -e "my \$address = inet_pton($family, \$ARGV[0]); print inet_ntop($family, \$address) if defined \$address" -- "$1"
}

# A machine that was installed before this was asked keeps what its settings say.
find_users_fault() {
  case $1 in
    claim | everyone) ;;
    '')
      ((FRESH == 0)) ||
        printf 'who may use the bot? give --users claim (whoever opens the link printed at the end), ids like 42,43, or everyone\n' ;;
    *) [[ $1 =~ ^[1-9][0-9]{0,15}(,[1-9][0-9]{0,15})*$ ]] || printf "users '%s': claim, everyone, or Telegram ids like 42,43\n" "$1" ;;
  esac
}

find_secret_fault() {
  local name=$1 value=$2 pattern form
  case $name in
    TELEGRAM_BOT_TOKEN) pattern='^[1-9][0-9]{4,15}:[A-Za-z0-9_-]{35,100}$' form='a bot token, 123456789:AbC…' ;;
    TELEGRAM_API_ID) pattern='^[1-9][0-9]{0,9}$' form='an api id, a number' ;;
    TELEGRAM_API_HASH) pattern='^[0-9A-Fa-f]{32}$' form='an api hash, 32 hexadecimal digits' ;;
  esac
  if ! has_secret "$name"; then printf '%s is missing: give a file, the environment or an answers file\n' "$name"
  elif [[ -z $value ]]; then return
  elif [[ ! $value =~ $pattern ]]; then printf '%s does not have the form of %s\n' "$name" "$form"
  elif [[ $name == TELEGRAM_BOT_TOKEN ]] && is_refused "$value"; then
    printf 'TELEGRAM_BOT_TOKEN is not known to Telegram: copy it anew from @BotFather (/token)\n'
  fi
}
