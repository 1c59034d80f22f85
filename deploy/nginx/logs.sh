# Sourced by install.sh and uninstall.sh: nginx's logs of this site, in which links stand.
# shellcheck shell=bash

LINK_LOGS=/var/log/tgdepot
LOGROTATE=/etc/logrotate.d/tgdepot
WRITTEN+=("$LOGROTATE")

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

# Their group goes.
keep_logs() { [[ ! -d $LINK_LOGS ]] || chgrp root "$LINK_LOGS"; }

# An older release, or a way back to one, kept them with nginx's own.
purge_logs() { rm -rf "$LINK_LOGS" /var/log/nginx/tgdepot.*; }
