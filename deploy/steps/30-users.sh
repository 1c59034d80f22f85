# shellcheck shell=bash disable=SC2034
step_title='Users and folders'

step_users() {
  install_file "$SOURCE/systemd/tgdepot.sysusers" /etc/sysusers.d/tgdepot.conf 0644
  install_file "$SOURCE/systemd/tgdepot.tmpfiles" /etc/tmpfiles.d/tgdepot.conf 0644
  run systemd-sysusers /etc/sysusers.d/tgdepot.conf
  adopt_data store tgdepot:tgdepot-files
  adopt_data db tgdepot:tgdepot-db
  run systemd-tmpfiles --create /etc/tmpfiles.d/tgdepot.conf
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
