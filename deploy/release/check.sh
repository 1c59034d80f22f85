# Sourced by install.sh: a release that cannot work here is found before anything that works is stopped for it.
# shellcheck shell=bash disable=SC2153

check_release() {
  local unit faults candidate=$ETC/.tgdepot.env.new
  offer_settings "$candidate"
  faults=$(for unit in $(list_role_units); do check_role "$unit" "$candidate"; done)
  withdraw_settings "$candidate"
  [[ -n $faults ]] || return 0
  ! leaves_links || faults+=$'\n'$(describe_move)
  die "release $RELEASE cannot work here; what runs was left as it is:"$'\n'"$(sort -u <<<"$faults" | sed 's/^/  - /')"
}

CANDIDATE_URL=$SECRETS/.DATABASE_URL.new

# The settings that it is to get, and the URL of its database, for as long as it is looked at.
offer_settings() {
  write_settings >"$1"
  uses_postgres || return 0
  (umask 077 && database_url >"$CANDIDATE_URL")
  admit_database
}

withdraw_settings() { rm -f "$1" "$CANDIDATE_URL"; }

# How the new release is looked at: what it runs as later, and able to change nothing.
LOOK=(--quiet --collect --service-type=exec --property=NoNewPrivileges=yes --property=CapabilityBoundingSet=
  --property=PrivateNetwork=yes --property=ProtectSystem=strict --property=PrivateTmp=yes --property=ProtectHome=yes
  --property=InaccessiblePaths="$SECRETS")

# Has the new release look at its settings, its database and the store, as the user of the unit that will run it. Prints its
# faults.
check_role() {
  local output
  output=$(look_as "$@") || printf '%s\n' "${output:-the $(role_of "$1") role does not start}"
}

# How a unit is handed its secrets, among them the URL of a PostgreSQL, with the way there.
secret_properties() {
  sed -nE "/^(LoadCredential|EnvironmentFile)=/ s|(.*)/etc/tgdepot/secrets/|--property=\1$SECRETS/|p" "$SOURCE/systemd/$1"
  database_properties "$CANDIDATE_URL"
}

# Prints what the new release finds, and fails when it is a fault.
look_as() {
  local unit=$1 settings=$2 release=$OPT/releases/$RELEASE secrets
  mapfile -t secrets < <(secret_properties "$unit")
  systemd-run "${LOOK[@]}" --pipe --wait --property=User="${UNIT_USER[$unit]}" "${secrets[@]}" \
    --property=RuntimeMaxSec=60 --property=EnvironmentFile="$settings" --property=Environment=SETTINGS_FILE="$settings" \
    "$release/node_modules/.bin/node" "$release/app/main.ts" --check "$(role_of "$unit")" 2>&1 </dev/null
}
