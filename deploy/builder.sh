# Sourced by install.sh: the user for whatever runs code that came over the network. Nothing of a release, no compiler
# and no npm ever runs as root; root takes what they made as a stream, and writes nothing where they can write.
# shellcheck shell=bash

BUILD=/var/cache/tgdepot-build
BUILDER=tgdepot-build
# Not tgdepot-…: those are services, and the sandbox that they share starts them again.
BUILD_UNIT=build-tgdepot.service

BUILD_PROPERTIES=(
  "User=$BUILDER" CacheDirectory=tgdepot-build CacheDirectoryMode=0700 "WorkingDirectory=$BUILD"
  "Environment=HOME=$BUILD" UMask=0022 Nice=5
  NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes PrivateDevices=yes
  ProtectProc=invisible ProtectKernelTunables=yes ProtectKernelModules=yes ProtectControlGroups=yes
  RestrictNamespaces=yes RestrictSUIDSGID=yes LockPersonality=yes KeyringMode=private LimitCORE=0
  InaccessiblePaths=-/etc/tgdepot InaccessiblePaths=-/var/lib/tgdepot InaccessiblePaths=-/run/tgdepot
)

# What a machine needs to reach the net, if it needs anything: a proxy, another registry, an authority of its own.
NETWORK_VARIABLES=(http_proxy https_proxy no_proxy all_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY
  NPM_CONFIG_REGISTRY NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR)

# What a run that was ended had started would go on without it, for hours.
stop_builder() { systemctl stop "$BUILD_UNIT" 2>/dev/null || true; }

# Runs a command as the builder, in its own folder and able to write nowhere else; its output is the caller's. It ends
# with all that it has started.
as_builder() {
  local name tries settings=$STATE/builder.env
  stop_builder
  # systemd forgets one that has ended only a moment later, and until then takes no other of its name.
  for ((tries = 0; tries < 50; tries++)); do
    [[ $(systemctl show --property=LoadState --value "$BUILD_UNIT" 2>/dev/null) == loaded ]] || break
    sleep 0.1
  done
  # By a file of root's: a proxy's address may hold a password, and arguments show in ps.
  for name in "${NETWORK_VARIABLES[@]}"; do
    [[ ! -v $name ]] || printf '%s=%s\n' "$name" "${!name}"
  done | (umask 077 && cat >"$settings")
  systemd-run --quiet --pipe --wait --collect --unit="$BUILD_UNIT" --service-type=exec \
    "${BUILD_PROPERTIES[@]/#/--property=}" --property="EnvironmentFile=$settings" -- "$@" </dev/null
}

# Unpacks the folder $1 of an archive that a command of the builder's writes into the folder $2; whatever owners and
# modes it names, the files are root's, none of them lies outside, and none is a device, which would open a disk to
# whoever can read it.
take_from_builder() {
  local folder=$1 target=$2 errors
  shift 2
  errors=$(mktemp)
  log_line "+ as $BUILDER: $*"
  if ! as_builder "$@" 2>"$errors" | setpriv --bounding-set=-mknod \
    tar -C "$target" --no-same-owner --no-same-permissions --delay-directory-restore -xf - "$folder" 2>>"$errors"; then
    cat "$errors" >>"$LOG"
    fail_with "$errors" "'$*' failed"
  fi
  cat "$errors" >>"$LOG"
  rm -f "$errors"
  # What is done to the folder next would be done to what a link in its place leads to.
  [[ -d $target/$folder && ! -L $target/$folder ]] || die "'$*' made no folder $folder"
}
