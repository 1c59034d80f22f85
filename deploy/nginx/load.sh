# Sourced by install.sh and uninstall.sh: nginx's part as a whole, loaded without breaking what nginx serves already.
# shellcheck shell=bash disable=SC2153

# Beside nginx's own unit, whose other drop-ins are its owner's.
NGINX_UNIT=$UNITS/nginx.service.d/tgdepot.conf
MANAGED+=("$NGINX_UNIT")

install_nginx() {
  drop_refused_site
  raise_limits "$SOURCE"
  part_workers
  install_file "$SOURCE/deploy/logrotate" "$LOGROTATE" 0644
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    fill_site "$SOURCE" http plain | install_site "$SOURCE"
  else
    make_nameless
    fill_site "$SOURCE" http unknown-plain unknown-tls redirect tls | install_site "$SOURCE"
  fi
  make_folder "$(dirname "$NGINX_UNIT")" 0755
  install_file "$SOURCE/systemd/nginx.service.d/tgdepot.conf" "$NGINX_UNIT" 0644
  load_nginx
  settle_workers
  move_old_logs
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

# Says what of nginx does not work, one line each.
find_nginx_troubles() {
  local socket
  find_unit_trouble nginx.service
  for socket in $(missing_sockets); do
    printf 'nginx does not listen on %s: look into /var/log/nginx/error.log, and systemctl restart nginx\n' "$socket"
  done
}

# The page as a visitor gets it, with the certificate that visitors see.
ask_nginx() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN],,} listen=${ANSWERS[TGDEPOT_LISTEN]}
  local -a ask=(curl --silent --show-error --max-time 3 --noproxy '*')
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    [[ $listen == *:* ]] || listen=127.0.0.1:$listen
    "${ask[@]}" --header "Host: $domain" "$@" "http://${listen/#0.0.0.0:/127.0.0.1:}/health"
  else
    "${ask[@]}" --cacert "$CERTIFICATE" --resolve "$domain:443:127.0.0.1" "$@" "https://$domain/health"
  fi
}

remove_nginx() {
  local had_site=0
  [[ ! -e $SITE ]] || had_site=1
  restore_limits
  join_workers
  rm -rf "$SITE" "$SNIPPETS" "$LOGROTATE" "$NGINX_UNIT"
  rmdir --ignore-fail-on-non-empty "$(dirname "$NGINX_UNIT")" 2>/dev/null || true
  systemctl daemon-reload
  # Another site's fault must not keep the rest from being removed.
  ((had_site == 0)) || ! systemctl is-active --quiet nginx || systemctl reload nginx ||
    say '         nginx refuses its configuration (nginx -t): it serves what it had read until that is mended'
  say 'ok       nginx site removed; nginx itself stays'
}
