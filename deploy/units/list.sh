# Sourced by install.sh, uninstall.sh and the checks: the units, as systemd/manifest lists them.
# shellcheck shell=bash disable=SC2034

UNITS=/etc/systemd/system

# In the order in which they stop, and what the manifest says of each.
UNIT_NAMES=()
declare -gA UNIT_USER=() UNIT_SECRETS=() UNIT_READS=()
read_manifest() {
  local unit user enabled health secrets reads
  while read -r unit user enabled health secrets reads; do
    [[ -n $unit && $unit != '#'* ]] || continue
    UNIT_NAMES+=("$unit")
    UNIT_USER[$unit]=$user
    UNIT_SECRETS[$unit]=${secrets#-}
    UNIT_READS[$unit]=${reads#-}
  done <"$1"
}

read_manifest "$(dirname "${BASH_SOURCE[0]}")/../../systemd/manifest"
mapfile -t DROP_INS < <(cd "$(dirname "${BASH_SOURCE[0]}")/../../systemd" && printf '%s\n' tgdepot*.d/*.conf)

# Those that are restarted when what they read has changed; the firewall's has rules that are loaded without that.
SERVICES=()
for unit in "${UNIT_NAMES[@]}"; do
  [[ $unit != *.service || $unit == tgdepot-firewall.service ]] || SERVICES+=("${unit%.service}")
done
unset unit

# The role that a unit runs from a release, if it does.
role_of() { sed -n 's/.*\brelease:\([a-z]*\).*/\1/p' <<<"${UNIT_READS[$1]-}"; }

# The units that run a role of a release.
list_role_units() {
  local unit
  for unit in "${UNIT_NAMES[@]}"; do [[ -z $(role_of "$unit") ]] || printf '%s\n' "$unit"; done
}
