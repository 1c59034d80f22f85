# Sourced by install.sh: fills in nginx's files and loads them without breaking what nginx serves already.
# shellcheck shell=bash disable=SC2034

ACME_ROOT=/var/lib/tgdepot-acme
NAMELESS=$ETC/tls/nameless
# Sorts after the site, whose log format it uses.
CHALLENGE_SITE=${SITE%.conf}_challenge.conf

# One nginx has so many connections for all its visitors: Debian's 768 are used up by 16 addresses that read slowly.
WORKER_CONNECTIONS=16384
NGINX_CONF=/etc/nginx/nginx.conf
# The group of nginx's workers, to whom the store, the web role's socket and the logs are open. www-data is not in it: as
# that user run other sites' programs too.
WORKER_GROUP=tgdepot-files
LINK_LOGS=/var/log/tgdepot
LOGROTATE=/etc/logrotate.d/tgdepot
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

# The addresses ("80", "[::]:443") for which another site answers whoever names none of nginx's sites: by its own word, or
# as the first that nginx reads. To take that from it would break what it serves.
list_defaults() {
  nginx -T 2>/dev/null | awk -v own="$SITE" -v mine="${SITE%.conf}" '
    /^# configuration file / { file = $4; sub(/:$/, "", file) }
    index(file, mine) != 1 && $1 == "listen" {
      address = $2
      sub(/;.*/, "", address)
      sub(/^(\*|0\.0\.0\.0):/, "", address)
      if (/default_server/ || file < own) print address
    }' || true
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

# nginx would make them readable by everyone, and whoever reads a link can open it. Their names are the site's, which may be
# an older release's.
make_logs() {
  local file
  install -d -m 0750 -g "$WORKER_GROUP" "$LINK_LOGS"
  { sed -nE 's/^[[:space:]]*(access|error)_log[[:space:]]+(\/[^ ;]+).*/\2/p' "$SITE" "$SNIPPETS"/*.conf 2>/dev/null || true; } |
    sort -u | while read -r file; do
    touch "$file"
    chown www-data:adm "$file"
    chmod 0640 "$file"
  done
}

# Logs of a release that kept them with nginx's own.
move_old_logs() {
  local file
  for file in /var/log/nginx/tgdepot.*; do
    [[ ! -f $file ]] || grep -qF "$file" "$SITE" "$SNIPPETS"/*.conf || mv -f "$file" "$LINK_LOGS/"
  done
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

# Whether nginx.conf gives the workers their group.
workers_are_apart() { grep -qE "^[[:space:]]*user[[:space:]]+www-data[[:space:]]+${WORKER_GROUP}[[:space:]]*;" "$NGINX_CONF"; }

# Gives nginx's workers a group that www-data is not in, by the one line of nginx.conf where that is said, and notes the old
# one at its end. They stay in www-data's own group: nginx asks /etc/group for it, so www-data is named there before.
part_workers() {
  local kept line='^([[:space:]]*)(user[[:space:]]+www-data([[:space:]]+www-data)?[[:space:]]*;)(.*)$'
  ! workers_are_apart || return 0
  if grep -qE "$line" "$NGINX_CONF"; then
    if [[ $(getent group www-data) != *[:,]www-data?(,*) ]]; then
      touch "$STATE/www-data-named"
      run gpasswd --add www-data www-data
    fi
    kept=$(mktemp)
    cp -p "$NGINX_CONF" "$kept"
    sed -i --follow-symlinks -E "s/$line/\1user www-data $WORKER_GROUP;\4 # tgdepot: was \2/" "$NGINX_CONF"
    if nginx -t >>"$LOG" 2>&1; then mark_changed; else cat "$kept" >"$NGINX_CONF"; fi
    rm -f "$kept"
  fi
  workers_are_apart || warn "$NGINX_CONF has no line 'user www-data;' that could name another group: whatever else runs as" \
    'www-data, such as PHP, can read the stored files and the log of links'
}

# Once nginx's workers have their group, nobody else of their user needs it; where they cannot have it, all of them do.
settle_workers() {
  local is_member=0
  [[ $(getent group "$WORKER_GROUP") != *[:,]www-data?(,*) ]] || is_member=1
  if workers_are_apart; then
    ((is_member == 0)) || { run gpasswd --delete www-data "$WORKER_GROUP"; mark_changed; }
  elif ((is_member == 0)); then
    run gpasswd --add www-data "$WORKER_GROUP"
    run systemctl reload-or-restart nginx
    mark_changed
  fi
}

# Puts back what part_workers noted. Without the note the group goes all the same: nginx does not start with one that is not there.
join_workers() {
  [[ ! -e $NGINX_CONF ]] || sed -i --follow-symlinks -E \
    -e "s/^([[:space:]]*)user www-data $WORKER_GROUP;(.*) # tgdepot: was (user .*;)$/\1\3\2/" \
    -e "s/^([[:space:]]*user[[:space:]]+www-data)[[:space:]]+${WORKER_GROUP}[[:space:]]*;/\1;/" "$NGINX_CONF"
  [[ ! -e $STATE/www-data-named ]] || gpasswd --delete www-data www-data >/dev/null 2>&1 || true
}

# What nginx must be told about when it changes. A renewal by certbot tells nginx by itself.
nginx_digest() {
  local files=("$SITE" "$SNIPPETS"/*.conf)
  [[ ${ANSWERS[TGDEPOT_TLS]} == acme ]] || files+=("$CERTIFICATE" "$CERTIFICATE_KEY")
  printf '%s %s %s\n' "$(nginx_conf_value worker_connections)" "$(sed -n '/^[[:space:]]*user[[:space:]]/p' "$NGINX_CONF")" \
    "$(digest_of "${files[@]}" "$NGINX_LIMITS")"
}

# Seconds until nginx has read its files; it takes one, unless it has thousands of sites.
RELOAD_PATIENCE=30

# nginx's children, of which new ones come with files that it has taken.
nginx_workers() {
  local master
  master=$(systemctl show --property=MainPID --value nginx)
  cat "/proc/$master/task/$master/children" 2>/dev/null || true
}

# What "nginx -t" cannot find, an nginx that runs may refuse: it goes on with its old files then, and says so in its log alone.
reload_nginx() {
  local before pid end
  before=$(nginx_workers)
  run systemctl reload nginx
  end=$(($(steady_seconds) + RELOAD_PATIENCE))
  while [[ -n $before ]]; do
    for pid in $(nginx_workers); do [[ " $before " == *" $pid "* ]] || return 0; done
    (($(steady_seconds) < end)) || die 'nginx goes on with its old files: the reason is in /var/log/nginx/error.log'
    sleep 0.1
  done
}

# Starts nginx, or has it read its files again if ours changed since it last did.
load_nginx() {
  local now
  make_logs
  now=$(nginx_digest)
  if ! systemctl is-active --quiet nginx; then
    run systemctl enable nginx
    run systemctl restart nginx
    mark_changed
  elif [[ $(cat "$STATE/nginx" 2>/dev/null) != "$now" ]]; then
    reload_nginx
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
  # As root: anyone can call a program of theirs nginx.
  open=$(ss -Hltnpe 2>/dev/null | awk '/"nginx"/ && !/ uid:[1-9]/ { print $4 }')
  for socket in $(wanted_sockets); do
    grep -qxF "$socket" <<<"$open" || printf '%s\n' "$socket"
  done
}
