# Sourced by install.sh: fills in nginx's files and loads them without breaking what nginx serves already.
# shellcheck shell=bash disable=SC2034

ACME_ROOT=/var/lib/tgdepot-acme
# Sorts after the site, whose log format it uses.
CHALLENGE_SITE=${SITE%.conf}_challenge.conf

# One nginx has so many connections for all its visitors: Debian's 768 are used up by 16 addresses that read slowly.
WORKER_CONNECTIONS=16384
NGINX_CONF=/etc/nginx/nginx.conf
# Read in nginx's outermost block, after the modules.
NGINX_LIMITS=/etc/nginx/modules-enabled/90-tgdepot.conf

# Where the certificate lies for a kind of TLS.
choose_certificate() {
  local folder=$ETC/tls
  [[ $1 != acme ]] || folder=/etc/letsencrypt/live/tgdepot
  CERTIFICATE=$folder/fullchain.pem
  CERTIFICATE_KEY=$folder/privkey.pem
}

nginx_version() { nginx -v 2>&1 | sed -n 's|^nginx version: nginx/\([0-9.]*\).*|\1|p'; }

version_at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# Its size is 0, whatever is in it.
has_ipv6() { [[ -n $(cat /proc/net/if_inet6 2>/dev/null) ]]; }

# Writes the site made of the given parts of nginx/ (http, redirect, tls, plain) to standard output.
fill_site() {
  local source=$1 part text='' http2_listen=' http2' http2=''
  shift
  for part in "$@"; do text+=$(<"$source/nginx/$part.conf")$'\n'; done
  # "listen … http2" is all that nginx below 1.25.1 knows; newer ones warn of it.
  if version_at_least "$(nginx_version)" 1.25.1; then http2_listen='' http2='http2 on;'; fi
  text=${text//@HTTP2_LISTEN@/$http2_listen}
  text=${text//@HTTP2@/$http2}
  text=${text//@DOMAIN@/${ANSWERS[TGDEPOT_DOMAIN],,}}
  text=${text//@LISTEN@/${ANSWERS[TGDEPOT_LISTEN]}}
  text=${text//@CERT@/$CERTIFICATE}
  text=${text//@KEY@/$CERTIFICATE_KEY}
  if has_ipv6; then printf '%s' "$text"; else sed '/^ *listen \[::\]/d' <<<"$text"; fi
}

# nginx would make them readable by everyone, and whoever reads a link can open it.
make_logs() {
  local file
  for file in /var/log/nginx/tgdepot.{access,error}.log; do
    touch "$file"
    chown www-data:adm "$file"
    chmod 0640 "$file"
  done
}

# Installs a site read from standard input with its snippets; a site that nginx refuses is taken away again.
install_site() {
  local source=$1 kept file changed=$CHANGED
  kept=$(mktemp -d)
  [[ ! -e $SITE ]] || cp -p "$SITE" "$kept/site"
  [[ ! -d $SNIPPETS ]] || cp -a "$SNIPPETS" "$kept/snippets"
  CHANGED=0
  make_logs
  make_folder "$SNIPPETS" 0755
  for file in "$source"/nginx/snippets/*.conf; do
    install_file "$file" "$SNIPPETS/$(basename "$file")" 0644
  done
  write_file "$SITE" 0644
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

# Prints the value of a directive that stands in nginx.conf itself.
nginx_conf_value() { sed -nE "s/^[^#]*\\b$1[[:space:]]+([0-9]+)[[:space:]]*;.*/\1/p" "$NGINX_CONF" | head -n 1; }

# What a worker wants, or as much as there is: in some containers even root cannot raise the limit.
choose_files() {
  if (ulimit -Hn 65536) 2>/dev/null; then printf '65536\n'; else ulimit -Hn; fi
}

# Whether a limit of files is set anywhere but in our own file.
has_own_file_limit() {
  # nginx prints nothing while it refuses any of its files.
  { cat "$NGINX_CONF"; nginx -T 2>/dev/null || true; } | awk -v own="# configuration file $NGINX_LIMITS:" '
    /^# configuration file / { skip = $0 == own }
    !skip && /^[^#]*worker_rlimit_nofile[ \t]/ { found = 1 }
    END { exit !found }'
}

# Changes one number of nginx.conf, for which there is no other place, and notes the old one at the end of the line. A higher one
# stays. Whatever nginx refuses is taken back, and the site goes on with what there is.
raise_limits() {
  local source=$1 now kept changed=$CHANGED
  now=$(nginx_conf_value worker_connections)
  kept=$(mktemp -d)
  cp -p "$NGINX_CONF" "$kept/nginx.conf"
  CHANGED=0
  if [[ -z $now ]]; then
    warn "$NGINX_CONF has no worker_connections in one line: where nginx gets it from, or in the events block, write" \
      "'worker_connections $WORKER_CONNECTIONS;'"
  elif ((10#$now < WORKER_CONNECTIONS)); then
    sed -i --follow-symlinks -E \
      "s/^([^#]*\\bworker_connections[[:space:]]+)$now([[:space:]]*;.*)$/\1$WORKER_CONNECTIONS\2 # tgdepot: was $now/" "$NGINX_CONF"
    mark_changed
  fi
  # Twice is an error: the owner's own value counts, in whatever file it stands.
  if ! has_own_file_limit; then
    sed "s/@FILES@/$(choose_files)/" "$source/nginx/limits.conf" | write_file "$NGINX_LIMITS" 0644
  elif [[ -e $NGINX_LIMITS ]]; then rm -f "$NGINX_LIMITS" && mark_changed
  fi
  if ((CHANGED)) && ! nginx -t >>"$LOG" 2>&1; then
    cat "$kept/nginx.conf" >"$NGINX_CONF"
    rm -f "$NGINX_LIMITS"
    CHANGED=0
    warn "nginx refuses $WORKER_CONNECTIONS worker_connections ($LOG): it goes on with $now"
  elif now=$(nginx -T 2>/dev/null) && ! grep -qE '^[^#]*\bworker_rlimit_nofile\b' <<<"$now"; then
    warn "nginx does not read $(dirname "$NGINX_LIMITS"): write 'worker_rlimit_nofile 65536;' into $NGINX_CONF"
  fi
  rm -rf "$kept"
  ((changed == 0)) || mark_changed
}

# Puts back what raise_limits noted, if nobody has changed it since.
restore_limits() {
  rm -f "$NGINX_LIMITS"
  [[ ! -e $NGINX_CONF ]] || sed -i --follow-symlinks -E \
    "s/^([^#]*\\bworker_connections[[:space:]]+)$WORKER_CONNECTIONS([[:space:]]*;.*) # tgdepot: was ([0-9]+)$/\1\3\2/" "$NGINX_CONF"
}

# What nginx must be told about when it changes. A renewal by certbot tells nginx by itself.
nginx_digest() {
  local files=("$SITE" "$SNIPPETS"/*.conf)
  [[ ${ANSWERS[TGDEPOT_TLS]} == acme ]] || files+=("$CERTIFICATE" "$CERTIFICATE_KEY")
  printf '%s %s\n' "$(nginx_conf_value worker_connections)" "$(digest_of "${files[@]}" "$NGINX_LIMITS")"
}

# Starts nginx, or has it read its files again if ours changed since it last did.
load_nginx() {
  local now
  now=$(nginx_digest)
  if ! systemctl is-active --quiet nginx; then
    run systemctl enable nginx
    run systemctl restart nginx
    mark_changed
  elif [[ $(cat "$STATE/nginx" 2>/dev/null) != "$now" ]]; then
    run systemctl reload nginx
    mark_changed
  fi
  printf '%s\n' "$now" >"$STATE/nginx"
}

# Where the site is to listen, as ss prints it: "0.0.0.0:80".
wanted_sockets() {
  sed -nE 's/^[[:space:]]*listen[[:space:]]+([^[:space:];]+).*/\1/p' "$SITE" |
    sed -E 's/^([0-9]+)$/0.0.0.0:\1/; s/^(\[.*\]|.*):([0-9]+)$/\1:\2/' | sort -u
}

# Where it does not: after a reload that could not open one, nginx goes on with the sockets and settings that it had, and
# says so in its log alone.
missing_sockets() {
  local socket open
  open=$(ss -Hltnp 2>/dev/null | awk '/"nginx"/ { print $4 }')
  for socket in $(wanted_sockets); do
    grep -qxF "$socket" <<<"$open" || printf '%s\n' "$socket"
  done
}
