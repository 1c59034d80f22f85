# Sourced by install.sh and uninstall.sh: what nginx's workers need of nginx.conf, and how it is put back: their number of
# connections and files, and their group.
# shellcheck shell=bash

# One nginx has so many connections for all its visitors: Debian's 768 are used up by 16 addresses that read slowly.
WORKER_CONNECTIONS=16384

NGINX_CONF=/etc/nginx/nginx.conf

# The group of nginx's workers, to whom the store, the web role's socket and the logs are open. www-data is not in it: as
# that user run other sites' programs too.
WORKER_GROUP=tgdepot-files

# Read in nginx's outermost block, after the modules.
NGINX_LIMITS=/etc/nginx/modules-enabled/90-tgdepot.conf
WRITTEN+=("$NGINX_LIMITS")

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
