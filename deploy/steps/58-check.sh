# A release that cannot work here is found before anything that works is stopped for it.
# shellcheck shell=bash disable=SC2034,SC2153
step_title='Check of the release with its settings'

step_check() {
  local role faults candidate=$ETC/.tgdepot.env.new
  write_settings >"$candidate"
  faults=$(for role in bot web; do check_role "$role" "$candidate"; done)
  rm -f "$candidate"
  [[ -z $faults ]] || die "release $RELEASE cannot work here, and nothing was changed:"$'\n'"$(sort -u <<<"$faults" | sed 's/^/  - /')"
}

# Has the new release look at its settings, its database and the store, as the user that it will run as. Prints its faults.
check_role() {
  local role=$1 settings=$2 release=$OPT/releases/$RELEASE user=tgdepot output
  local secrets=(--property=EnvironmentFile="$SECRETS/ADMIN_TOKEN")
  [[ $role != web ]] || user=tgdepot-web
  [[ $role != bot ]] || secrets=(--property=LoadCredential=TELEGRAM_BOT_TOKEN:"$SECRETS/TELEGRAM_BOT_TOKEN"
    --property=EnvironmentFile=-"$SECRETS/CLAIM_CODE")
  output=$(systemd-run --quiet --pipe --wait --collect --service-type=exec --property=User="$user" "${secrets[@]}" \
    --property=EnvironmentFile="$settings" --property=Environment=SETTINGS_FILE="$settings" --property=PrivateNetwork=yes \
    --property=NoNewPrivileges=yes --property=CapabilityBoundingSet= --property=ProtectSystem=strict --property=PrivateTmp=yes \
    --property=ProtectHome=yes --property=InaccessiblePaths="$SECRETS" --property=RuntimeMaxSec=60 \
    "$release/node_modules/.bin/node" "$release/app/main.ts" --check "$role" 2>&1 </dev/null) ||
    printf '%s\n' "${output:-the $role role does not start}"
}
