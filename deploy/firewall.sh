#!/usr/bin/env bash
# Loads the rules with this machine's resolvers, and with "watch" keeps both as they should be: whoever loads the machine's
# own rules flushes every table, this one too, and resolvers change with the network. Run by tgdepot-firewall.service.
set -uo pipefail

RULES=${RULES:-/etc/tgdepot/firewall.nft}
RESOLV=${RESOLV:-/etc/resolv.conf}

list_resolvers() { awk '$1 == "nameserver" { sub("%.*", "", $2); print $2 }' "$RESOLV" 2>/dev/null; }

# One transaction: there is no moment without rules, or without names.
print_rules() {
  local address
  cat "$RULES"
  while read -r address; do
    if [[ $address =~ ^[0-9]+(\.[0-9]+){3}$ ]]; then printf 'add element inet tgdepot resolvers4 { %s }\n' "$address"
    elif [[ $address == *:* && $address =~ ^[0-9A-Fa-f:]+$ ]]; then
      printf 'add element inet tgdepot resolvers6 { %s }\n' "$address"
    fi
  done < <(list_resolvers)
}

load() { print_rules | nft -f -; }

# Whether the rules are there: a flush leaves the table, and nothing in it.
is_loaded() { nft list chain inet tgdepot output 2>/dev/null | grep -qF 'sport 8081'; }

watch() {
  local resolvers now status
  resolvers=$(list_resolvers)
  exec 3< <(exec nft monitor rules)
  while :; do
    read -r -t 30 _ <&3 && status=0 || status=$?
    # A time that is up gives more than 128; else the monitor has ended, and the unit starts again.
    ((status == 0 || status > 128)) || return 1
    # One look for all that was taken away together.
    while read -r -t 0 _ <&3; do read -r -t 1 _ <&3 || break; done
    now=$(list_resolvers)
    [[ $now == "$resolvers" ]] && is_loaded && continue
    if load; then resolvers=$now; fi
  done
}

"$1"
