# Sourced by install.sh and uninstall.sh: the site, filled in for this machine and its nginx.
# shellcheck shell=bash

SITE=/etc/nginx/sites-enabled/tgdepot.conf
SNIPPETS=/etc/nginx/tgdepot
NAMELESS=$ETC/tls/nameless
MANAGED+=("$SITE" "$SNIPPETS")
WRITTEN+=("$SNIPPETS/.")

# What nginx says of its files but for ours, which the installer writes anew.
nginx_without_us() {
  # shellcheck disable=SC2016  # that shell's
  unshare --mount sh -c 'for file; do [ ! -e "$file" ] || mount --bind /dev/null "$file" || exit; done; exec nginx -T' \
    sh "$SITE" "$CHALLENGE_SITE" 2>&1
}

# Ours may be half of two releases, where a run was killed between two files, or name a certificate that is gone. An nginx that
# runs goes on with what it had read.
drop_refused_site() {
  nginx -t >/dev/null 2>&1 || ! nginx_without_us >/dev/null || rm -f "$SITE" "$CHALLENGE_SITE"
}

check_nginx() {
  local output refused user
  command -v nginx >/dev/null || return 0
  if ! output=$(nginx -T 2>&1) && refused=$output && ! output=$(nginx_without_us); then
    fault "nginx refuses its present configuration: $(grep -m 1 -E 'emerg|error' <<<"$output"$'\n'"$refused" || true)"
    return
  fi
  user=$(awk '$1 == "user" { sub(";", "", $2); print $2; exit }' <<<"$output")
  [[ $user == www-data ]] || fault "nginx works as user '$user': tgdepot needs Debian's nginx with www-data"
  grep -q 'sites-enabled/' <<<"$output" || fault 'nginx does not read /etc/nginx/sites-enabled'
  [[ -n ${ANSWERS[TGDEPOT_DOMAIN]} ]] || return 0
  check_narrow_listens
  # Two servers of one name: nginx would silently take the first.
  if awk -v own="$SITE:" -v domain="${ANSWERS[TGDEPOT_DOMAIN],,}" '
    /^# configuration file / { file = $4 }
    file != own && /server_name/ && gsub(/[;{}]/, " & ") {
      for (i = 1; i <= NF; i++) { if ($i == "server_name") inside = 1; else if ($i == ";") inside = 0; else if (inside && $i == domain) found = 1 }
    }
    END { exit !found }' <<<"$output"; then
    fault "another site of this nginx is called ${ANSWERS[TGDEPOT_DOMAIN]} already"
  fi
}

nginx_version() { nginx -v 2>&1 | sed -n 's|^nginx version: nginx/\([0-9.]*\).*|\1|p'; }

version_at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# Its size is 0, whatever is in it.
has_ipv6() { [[ -n $(cat /proc/net/if_inet6 2>/dev/null) ]]; }

# The addresses ("80", "[::]:443") for which another site answers whoever names none of nginx's sites: by its own word, or
# as the first that nginx reads. To take that from it would break what it serves.
list_defaults() {
  list_listens | awk -v own="$SITE" '
    { sub(/^(\*|0\.0\.0\.0):/, "", $2) }
    /[ \t]default_server/ || $1 < own { print $2 }' || true
}

# What other sites of nginx listen on, with the file, one a line.
list_listens() {
  nginx -T 2>/dev/null | awk -v mine="${SITE%.conf}" '
    /^# configuration file / { file = $4; sub(/:$/, "", file) }
    /^[[:space:]]*#/ || index(file, mine) == 1 { next }
    {
      count = split($0, parts, /[;{}]/)
      for (i = 1; i <= count; i++) if (sub(/^[[:space:]]*listen[[:space:]]+/, "", parts[i])) print file, parts[i]
    }' || true
}

# Who comes by an address that another site names reaches no site that listens on all of them.
check_narrow_listens() {
  local file address complain named
  [[ ${ANSWERS[TGDEPOT_TLS]} != none ]] || return 0
  named=$(getent ahosts "${ANSWERS[TGDEPOT_DOMAIN]}" | awk '{ printf "%s ", $1 }' || true)
  list_listens | while read -r file address _; do
    [[ $address == *:* && $address != *"]" ]] || address+=:80
    [[ $address =~ ^(\*|0\.0\.0\.0|\[::\]|127\..*|localhost|\[::1\]|unix|[0-9]+): || ! $address =~ :(80|443)$ ]] || printf '%s %s\n' "$file" "$address"
  done | sort -u | while read -r file address; do
    complain=warn
    [[ " $named " != *" $(tr -d '[]' <<<"${address%:*}") "* ]] || complain=fault
    "$complain" "nginx has another site that listens on $address ($file): who comes by that address reaches no site that does not;" \
      "let it listen on ${address##*:}"
  done
}

# Writes the site made of the given parts of nginx/ (http, unknown-…, redirect, tls, plain) to standard output.
fill_site() {
  local source=$1 part lines address text='' http2_listen=' http2' http2='' reject='ssl_reject_handshake on;' taken
  shift
  taken=$(list_defaults)
  for part in "$@"; do
    lines=$(<"$source/nginx/$part.conf")
    if [[ $part == unknown-* ]]; then
      for address in $taken; do lines=$(grep -vF " listen $address " <<<"$lines"); done
      has_ipv6 || lines=$(grep -vF ' listen [::]:' <<<"$lines")
      # A server that names no address would listen on one of its own.
      [[ $lines == *' listen '* ]] || continue
    fi
    text+=$lines$'\n'
  done
  # "listen … http2" is all that nginx below 1.25.1 knows; newer ones warn of it.
  if version_at_least "$(nginx_version)" 1.25.1; then http2_listen='' http2='http2 on;'; fi
  version_at_least "$(nginx_version)" 1.19.4 || reject="ssl_certificate $NAMELESS.pem; ssl_certificate_key $NAMELESS.key;"
  text=${text//@HTTP2_LISTEN@/$http2_listen}
  text=${text//@HTTP2@/$http2}
  text=${text//@REJECT@/$reject}
  text=${text//@DOMAIN@/${ANSWERS[TGDEPOT_DOMAIN],,}}
  text=${text//@LISTEN@/${ANSWERS[TGDEPOT_LISTEN]}}
  text=${text//@CERT@/$CERTIFICATE}
  text=${text//@KEY@/$CERTIFICATE_KEY}
  if has_ipv6; then printf '%s' "$text"; else sed '/^ *listen \[::\]/d' <<<"$text"; fi
}

# nginx below 1.19.4 cannot refuse a handshake: it ends one with a certificate that names nobody.
make_nameless() {
  version_at_least "$(nginx_version)" 1.19.4 && return
  [[ ! -s $NAMELESS.pem || ! -s $NAMELESS.key ]] || return 0
  install -d -m 0700 "$(dirname "$NAMELESS")"
  run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj / \
    -keyout "$NAMELESS.key" -out "$NAMELESS.pem"
  chmod 0600 "$NAMELESS.key"
  mark_changed
}

# Installs a site read from standard input with its snippets; a site that nginx refuses is taken away again.
install_site() {
  local source=$1 kept file changed=$CHANGED
  kept=$(mktemp -d)
  [[ ! -e $SITE ]] || cp -p "$SITE" "$kept/site"
  [[ ! -d $SNIPPETS ]] || cp -a "$SNIPPETS" "$kept/snippets"
  CHANGED=0
  make_folder "$SNIPPETS" 0755
  for file in "$source"/nginx/snippets/*.conf; do
    install_file "$file" "$SNIPPETS/$(basename "$file")" 0644
  done
  write_file "$SITE" 0644
  make_logs
  if ((CHANGED)) && ! nginx -t >"$kept/output" 2>&1; then
    rm -rf "$SITE" "$SNIPPETS"
    [[ ! -e $kept/site ]] || cp -p "$kept/site" "$SITE"
    [[ ! -d $kept/snippets ]] || cp -a "$kept/snippets" "$SNIPPETS"
    cat "$kept/output" >&2
    rm -rf "$kept"
    die 'nginx refuses the site (above); nginx goes on as it was'
  fi
  rm -rf "$kept"
  ((changed == 0)) || mark_changed
}
