# Sourced by install.sh: fills in nginx's files and loads them without breaking what nginx serves already.
# shellcheck shell=bash disable=SC2034

ACME_ROOT=/var/lib/tgdepot-acme
# Sorts after the site, whose log format it uses.
CHALLENGE_SITE=${SITE%.conf}_challenge.conf

# Where the certificate lies for a kind of TLS.
choose_certificate() {
  local folder=$ETC/tls
  [[ $1 != acme ]] || folder=/etc/letsencrypt/live/tgdepot
  CERTIFICATE=$folder/fullchain.pem
  CERTIFICATE_KEY=$folder/privkey.pem
}

nginx_version() { nginx -v 2>&1 | sed -n 's|^nginx version: nginx/\([0-9.]*\).*|\1|p'; }

version_at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

has_ipv6() { [[ -s /proc/net/if_inet6 ]]; }

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

# What nginx must be told about when it changes. A renewal by certbot tells nginx by itself.
nginx_digest() {
  local files=("$SITE" "$SNIPPETS"/*.conf)
  [[ ${ANSWERS[TGDEPOT_TLS]} == acme ]] || files+=("$CERTIFICATE" "$CERTIFICATE_KEY")
  digest_of "${files[@]}"
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
