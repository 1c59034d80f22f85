# Sourced by install.sh and uninstall.sh: where the links are, SQLite or a PostgreSQL: what the roles get for it, and what a
# change of it would leave behind.
# shellcheck shell=bash disable=SC2034,SC2153

# What a unit gets besides when PostgreSQL is chosen.
DATABASE_DROP_IN=30-database.conf
# With the answers, which name the database: what goes back is the URL of that time.
MANAGED+=("$SECRETS/DATABASE_URL")
for unit in $(list_role_units); do MANAGED+=("$UNITS/$unit.d/$DATABASE_DROP_IN"); done
unset unit

# That of the last run.
LAST_DATABASE=''
# Whether the rules in force were opened for it.
ADMITTED=0

# Whether there is a database at that place, and what a change of it would leave behind.
check_database() {
  local address
  uses_postgres && [[ -z $(find_database_fault "${ANSWERS[TGDEPOT_DATABASE]}") ]] || return 0
  parse_database "${ANSWERS[TGDEPOT_DATABASE]}"
  if [[ $DATABASE_HOST == /* ]]; then
    [[ -S $DATABASE_HOST/.s.PGSQL.$DATABASE_PORT ]] ||
      fault "database: no PostgreSQL listens at $DATABASE_HOST/.s.PGSQL.$DATABASE_PORT: is it installed, and does it run?"
  else
    for address in $(database_addresses); do
      ! can_connect "$address" "$DATABASE_PORT" || { address=''; break; }
    done
    [[ -z $address ]] || fault "database: nothing takes connections at $DATABASE_HOST, port $DATABASE_PORT"
  fi
  ! leaves_links || warn "$(describe_move)"
}

database_changes() { ((FRESH == 0)) && [[ $(kind_of "$LAST_DATABASE") != "$(kind_of "${ANSWERS[TGDEPOT_DATABASE]-}")" ]]; }

# SQLite is one, as ever it is written.
kind_of() { if [[ $1 == postgres* ]]; then printf '%s\n' "$1"; else printf 'sqlite\n'; fi; }

# Whether there are links that another database than the chosen one has.
leaves_links() {
  database_changes && [[ -n $(find "$DATA/store" -mindepth 2 -type f -print -quit 2>/dev/null) ]]
}

describe_move() {
  printf 'the links of this machine are in %s: a bot whose database does not know them does not start. Move them first: sudo tgdepot move-database\n' \
    "$([[ $(kind_of "$LAST_DATABASE") == sqlite ]] && printf SQLite || printf 'another PostgreSQL')"
}

# The owner's wish to go back to an earlier release is none to go back to a database without the links made since.
check_way_back() {
  local before
  before=$(tar -xOf "$STATE/undo/files.tar" "${ETC#/}/answers" 2>/dev/null | sed -n 's/^TGDEPOT_DATABASE=//p')
  [[ $(kind_of "$before") == "$(kind_of "$LAST_DATABASE")" ]] ||
    die "the release before had another database, without the links that were made since; to change it, give --database"
}

# What systemd is told, with the file of the credential: of one that listens on a UNIX socket only where the URL is.
fill_database_unit() {
  local credential=$1
  parse_database "${ANSWERS[TGDEPOT_DATABASE]}"
  sed "s|@CREDENTIAL@|$credential|" "$SOURCE/systemd/database.conf"
  [[ $DATABASE_HOST == /* ]] ||
    sed "s|@ADDRESSES@|$(database_addresses | tr '\n' ' ' | sed 's/ $//')|" "$SOURCE/systemd/database-network.conf"
}

# The same for systemd-run.
database_properties() {
  ! uses_postgres || fill_database_unit "$1" | sed -n '/^\[Service\]$/,$ s/^[A-Z][A-Za-z]*=.*/--property=&/p'
}

# Each file is whole, and at each moment one of the two databases is named to a role that starts.
install_database() {
  local unit
  database_url | write_file "$SECRETS/DATABASE_URL" 0600
  for unit in $(list_role_units); do
    make_folder "$UNITS/$unit.d" 0755
    fill_database_unit "$SECRETS/DATABASE_URL" | write_file "$UNITS/$unit.d/$DATABASE_DROP_IN" 0644
  done
}

# The URL stays with the other secrets, for a release that goes back.
remove_database() {
  local unit
  for unit in $(list_role_units); do
    [[ ! -e $UNITS/$unit.d/$DATABASE_DROP_IN ]] || mark_changed
    rm -f "$UNITS/$unit.d/$DATABASE_DROP_IN"
    rmdir "$UNITS/$unit.d" 2>/dev/null || true
  done
}

# The rules by which the roles reach that port and, besides loopback for the bot, nothing else: IPAddressDeny= knows no ports.
fence_database() {
  local unit address roles users=() bot
  uses_postgres || return 0
  parse_database "${ANSWERS[TGDEPOT_DATABASE]}"
  [[ $DATABASE_HOST != /* ]] || return 0
  for unit in $(list_role_units); do users+=("$(id -u "${UNIT_USER[$unit]}")"); done
  bot=$(id -u "${UNIT_USER[tgdepot-bot.service]}")
  roles=$(printf '%s, ' "${users[@]}")
  for address in $(database_addresses); do
    printf 'meta skuid { %s } %s daddr %s tcp dport %s accept\n' "${roles%, }" \
      "$([[ $address == *:* ]] && printf ip6 || printf ip)" "$address" "$DATABASE_PORT"
  done
  printf 'meta skuid %s ip daddr 127.0.0.0/8 accept\nmeta skuid %s ip6 daddr ::1 accept\nmeta skuid { %s } reject\n' \
    "$bot" "$bot" "${roles%, }"
}

# Lets a release that is looked at reach its database, where the rules in force name another one. They stay whole, and are
# loaded anew at the end of this run.
admit_database() {
  local rule words
  database_changes && nft list chain inet tgdepot output >/dev/null 2>&1 || return 0
  while read -r rule; do
    read -ra words <<<"$rule"
    run nft insert rule inet tgdepot output "${words[@]}"
    ADMITTED=1
  done < <(fence_database | grep ' accept$')
}

dismiss_database() { ((ADMITTED == 0)) || systemctl reload tgdepot-firewall 2>/dev/null || true; }
