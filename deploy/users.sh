# Sourced by install.sh and uninstall.sh: the users of the parts, their groups and folders.
# shellcheck shell=bash disable=SC2034

SYSUSERS=/etc/sysusers.d/tgdepot.conf
TMPFILES=/etc/tmpfiles.d/tgdepot.conf
WRITTEN+=("$SYSUSERS" "$TMPFILES")

install_users() {
  install_file "$SOURCE/systemd/tgdepot.sysusers" "$SYSUSERS" 0644
  install_file "$SOURCE/systemd/tgdepot.tmpfiles" "$TMPFILES" 0644
  run systemd-sysusers "$SYSUSERS"
  adopt_data store tgdepot:tgdepot-files
  adopt_data db tgdepot:tgdepot-db
  run systemd-tmpfiles --create "$TMPFILES"
  make_folder "$SECRETS" 0700
}

# Data that outlived an uninstallation or came from another machine belongs to root or to numbers that mean nothing
# here, of which one may be right by chance. The folder itself comes last, by tmpfiles: until then an interrupted run finds it and goes on.
adopt_data() {
  local folder=$DATA/$1
  [[ -d $folder && $(stat -c %U:%G "$folder") != "$2" ]] || return 0
  run find "$folder" -mindepth 1 -exec chown --no-dereference "$2" {} +
  mark_changed
}

# The names in the file that makes them: "u" are users, each with a group of its name, "g" groups.
list_users() { awk '$1 == "u" { print $2 }' "$SOURCE/systemd/tgdepot.sysusers"; }
list_groups() { awk '$1 == "u" || $1 == "g" { print $2 }' "$SOURCE/systemd/tgdepot.sysusers"; }

remove_users() {
  local name
  gpasswd --delete www-data tgdepot-files >/dev/null 2>&1 || true
  for name in $(list_users); do
    ! id "$name" >/dev/null 2>&1 || userdel "$name"
  done
  for name in $(list_groups); do
    ! getent group "$name" >/dev/null || groupdel "$name"
  done
  rm -f "$SYSUSERS" "$TMPFILES"
  say 'ok       users and groups removed'
}

# The users go, so the files are root's until the next installation gives them back: their numbers may be reused.
keep_data() {
  [[ -d $DATA ]] || return 0
  chmod 0700 "$DATA"
  # Also of a link's target.
  chown -R root:root "$DATA/."
}

remove_data() { remove_folder "$DATA"; }
