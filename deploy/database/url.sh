# Sourced by install.sh and uninstall.sh: what --database says. A PostgreSQL's URL may hold a password: it goes to the roles as a
# credential, and into no file that others read, no argument and no output.
# shellcheck shell=bash disable=SC2034,SC2153

# The URL that was given in this run, if it holds a password.
DATABASE_SECRET=''

uses_postgres() { [[ ${ANSWERS[TGDEPOT_DATABASE]-} == postgres* ]]; }

# Whether what is given on a command line shows a password there; in doubt it does.
holds_password() { [[ $1 =~ ://[^/?]*:.*@ || $1 =~ [?\&]password= ]]; }

# Reads a URL into DATABASE_USER, DATABASE_PASSWORD, DATABASE_HOST, DATABASE_PORT, DATABASE_NAME and DATABASE_PARAMETERS;
# fails when it is none.
parse_database() {
  local user='[A-Za-z0-9._~%-]+' password='[^][:space:]/?#@:]*' host='[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]' port='[1-9][0-9]{0,4}'
  local url="^postgres://(($user)(:($password))?@)?($host)?(:($port))?/([A-Za-z0-9._~%-]+)(\?([A-Za-z0-9._~%/=&-]+))?$"
  [[ $1 =~ $url ]] || return 1
  DATABASE_USER=${BASH_REMATCH[2]} DATABASE_PASSWORD=${BASH_REMATCH[4]} DATABASE_HOST=${BASH_REMATCH[5]}
  DATABASE_PORT=${BASH_REMATCH[7]:-5432} DATABASE_NAME=${BASH_REMATCH[8]} DATABASE_PARAMETERS=${BASH_REMATCH[10]}
  # The folder of a UNIX socket, whose name ends with the port.
  if [[ -z $DATABASE_HOST && "&$DATABASE_PARAMETERS&" =~ \&host=([^\&]*)\& ]]; then DATABASE_HOST=${BASH_REMATCH[1]}; fi
  if [[ "&$DATABASE_PARAMETERS&" =~ \&port=([1-9][0-9]{0,4})\& ]]; then DATABASE_PORT=${BASH_REMATCH[1]}; fi
}

# A URL as everybody may see it.
without_password() {
  if [[ $1 =~ ^(postgres://[^:/@]*):[^@]*(@.*)$ ]]; then printf '%s%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"; else printf '%s\n' "$1"; fi
}

# Takes the password out of the answer, which is kept and shown.
part_database() {
  local url=${ANSWERS[TGDEPOT_DATABASE]-}
  ! holds_password "$url" || DATABASE_SECRET=$url
  ANSWERS[TGDEPOT_DATABASE]=$(without_password "$url")
  [[ ! -v GIVEN[TGDEPOT_DATABASE] ]] || GIVEN[TGDEPOT_DATABASE]=${ANSWERS[TGDEPOT_DATABASE]}
}

# The URL with its password: this run's, or that of an earlier one for the same database.
database_url() {
  local kept=''
  if [[ -n $DATABASE_SECRET ]]; then printf '%s' "$DATABASE_SECRET"; return; fi
  [[ ! -s $SECRETS/DATABASE_URL ]] || kept=$(<"$SECRETS/DATABASE_URL")
  if [[ $(without_password "$kept") == "${ANSWERS[TGDEPOT_DATABASE]}" ]]; then printf '%s' "$kept"
  else printf '%s' "${ANSWERS[TGDEPOT_DATABASE]}"
  fi
}

# Asks for the password of a PostgreSQL on the network, where none is known.
ask_database_password() {
  local password
  uses_postgres && parse_database "$(database_url)" || return 0
  [[ $DATABASE_HOST != /* && -n $DATABASE_USER && -z $DATABASE_PASSWORD ]] || return 0
  read -rsp "Password of $DATABASE_USER at the PostgreSQL of $DATABASE_HOST (empty where it asks for none): " password \
    </dev/tty 2>/dev/tty || no_answer
  answer_to_person ''
  [[ -n $password ]] || return 0
  password=$(printf '%s' "$password" | perl -pe 's/([^A-Za-z0-9._~-])/sprintf "%%%02X", ord $1/ge')
  DATABASE_SECRET=${ANSWERS[TGDEPOT_DATABASE]/@/:$password@}
}

# Prints what is wrong with the answer. The value is in none of it: where it cannot be read, nobody knows what of it is secret.
find_database_fault() {
  local url=${DATABASE_SECRET:-$1} shown='postgres://user@host/name, or postgres:///name?host=/run/postgresql for one of this machine'
  [[ -n $url && $url != sqlite ]] || return 0
  if [[ $url != postgres://* ]]; then printf 'database: neither sqlite nor %s\n' "$shown"
  elif ! parse_database "$url"; then printf 'database: cannot be read as %s, with signs of a password such as / : @ written as %%2F %%3A %%40\n' "$shown"
  elif [[ $DATABASE_PARAMETERS =~ (^|&)password= ]]; then printf 'database: the password stands before the @: postgres://user:password@host/name\n'
  elif ((DATABASE_PORT > 65535)); then printf 'database: %s is no port\n' "$DATABASE_PORT"
  elif [[ -z $DATABASE_HOST ]]; then printf 'database: names no host: %s\n' "$shown"
  elif [[ $DATABASE_HOST =~ ^/(tmp|var/tmp|home|root|run/user)(/|$) ]]; then
    printf 'database: the sandbox hides %s from the bot: let PostgreSQL open a socket in /run/postgresql\n' "$DATABASE_HOST"
  elif [[ $DATABASE_HOST != /* && -z $(database_addresses) ]]; then
    printf 'database: %s is no address, nor a name in /etc/hosts: the bot asks no DNS\n' "$DATABASE_HOST"
  fi
}

# Of the host of the URL that was read.
database_addresses() {
  local address=${DATABASE_HOST#[}
  address=${address%]}
  if [[ -n $(plain_address "$address") ]]; then plain_address "$address"
  else getent -s files ahosts "$address" | awk '{ print $1 }' | sort -u
  fi
}
