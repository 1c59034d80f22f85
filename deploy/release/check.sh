# Sourced by install.sh: a release that cannot work here is found before anything that works is stopped for it.
# shellcheck shell=bash disable=SC2153

check_release() {
  local unit faults candidate=$ETC/.tgdepot.env.new
  write_settings >"$candidate"
  faults=$(for unit in $(list_role_units); do check_role "$unit" "$candidate"; done)
  rm -f "$candidate"
  [[ -z $faults ]] || die "release $RELEASE cannot work here; what runs was left as it is:"$'\n'"$(sort -u <<<"$faults" | sed 's/^/  - /')"
}

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

# The lines by which a unit is handed its secrets.
secrets_of() { sed -nE "/^(LoadCredential|EnvironmentFile)=/ s|/etc/tgdepot/secrets/|$SECRETS/|p" "$SOURCE/systemd/$1"; }

# Prints what the new release finds, and fails when it is a fault.
look_as() {
  local unit=$1 settings=$2 release=$OPT/releases/$RELEASE secrets
  mapfile -t secrets < <(secrets_of "$unit")
  systemd-run "${LOOK[@]}" --pipe --wait --property=User="${UNIT_USER[$unit]}" "${secrets[@]/#/--property=}" \
    --property=RuntimeMaxSec=60 --property=EnvironmentFile="$settings" --property=Environment=SETTINGS_FILE="$settings" \
    "$release/node_modules/.bin/node" "$release/app/main.ts" --check "$(role_of "$unit")" 2>&1 </dev/null
}
