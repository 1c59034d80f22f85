# A release that cannot work here is found before anything that works is stopped for it.
# shellcheck shell=bash disable=SC2034,SC2153
step_title='Check of the release with its settings'

step_check() {
  local role faults candidate=$ETC/.tgdepot.env.new
  write_settings >"$candidate"
  faults=$(for role in bot web; do check_role "$role" "$candidate"; done)
  rm -f "$candidate"
  [[ -z $faults ]] || die "release $RELEASE cannot work here; what runs was left as it is:"$'\n'"$(sort -u <<<"$faults" | sed 's/^/  - /')"
}

# How the new release is looked at: what it runs as later, and able to change nothing.
LOOK=(--quiet --collect --service-type=exec --property=NoNewPrivileges=yes --property=CapabilityBoundingSet=
  --property=PrivateNetwork=yes --property=ProtectSystem=strict --property=PrivateTmp=yes --property=ProtectHome=yes
  --property=InaccessiblePaths="$SECRETS")

# Has the new release look at its settings, its database and the store, as the user that it will run as. Prints its faults.
check_role() {
  local output
  output=$(look_as "$@") || printf '%s\n' "${output:-the $1 role does not start}"
}

# Prints what the new release finds, and fails when it is a fault.
look_as() {
  local role=$1 settings=$2 release=$OPT/releases/$RELEASE user=tgdepot secrets=(--property=EnvironmentFile="$SECRETS/ADMIN_TOKEN")
  [[ $role != web ]] || user=tgdepot-web
  [[ $role != bot ]] || secrets=(--property=LoadCredential=TELEGRAM_BOT_TOKEN:"$SECRETS/TELEGRAM_BOT_TOKEN"
    --property=EnvironmentFile=-"$SECRETS/CLAIM_CODE")
  systemd-run "${LOOK[@]}" --pipe --wait --property=User="$user" "${secrets[@]}" --property=RuntimeMaxSec=60 \
    --property=EnvironmentFile="$settings" --property=Environment=SETTINGS_FILE="$settings" \
    "$release/node_modules/.bin/node" "$release/app/main.ts" --check "$role" 2>&1 </dev/null
}
