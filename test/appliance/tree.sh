#!/usr/bin/env bash
# Makes the base tree of a Debian suite, once. Usage: tree.sh <suite> <mirror> <target>
#
# The target appears by one rename when everything in it is ready, so an interrupted run leaves only a
# *.partial folder that the next run removes. The caller's lock file serialises concurrent runs.
set -euo pipefail

# What a Debian server has and minbase lacks, as far as booting and testing need it. Nothing that the
# installer must bring itself belongs here.
readonly packages=systemd,systemd-sysv,dbus,ca-certificates,iproute2,curl,procps,openssl

make_tree() {
  local suite=$1 mirror=$2 partial=$3
  debootstrap --variant=minbase --include="$packages" "$suite" "$partial" "$mirror" >"$partial.log" 2>&1 || {
    tail -n 30 "$partial.log" >&2
    return 1
  }
  rm -f "$partial.log"
  rm -rf "$partial"/var/cache/apt/archives/*.deb "$partial"/var/lib/apt/lists/*
  # Each machine makes its own id, and its name is set when it boots.
  : >"$partial/etc/machine-id"
  rm -f "$partial/etc/hostname" "$partial/etc/resolv.conf" "$partial/var/lib/dbus/machine-id"
  # A container has no console to log in at, no disk to check and no time to wait for.
  ln -sf /dev/null "$partial/etc/systemd/system/console-getty.service"
  ln -sf /dev/null "$partial/etc/systemd/system/systemd-timesyncd.service"
}

main() {
  local suite=$1 mirror=$2 target=$3
  [[ -d $target ]] && return 0
  rm -rf "$target.partial"
  mkdir -p "$(dirname "$target")"
  make_tree "$suite" "$mirror" "$target.partial"
  sync -f "$target.partial"
  mv -T "$target.partial" "$target"
}

main "$@"
