# shellcheck shell=bash disable=SC2034
step_title='nginx'

step_nginx() {
  raise_limits "$SOURCE"
  part_workers
  install_file "$SOURCE/deploy/logrotate" "$LOGROTATE" 0644
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    fill_site "$SOURCE" http plain | install_site "$SOURCE"
  else
    make_nameless
    fill_site "$SOURCE" http unknown-plain unknown-tls redirect tls | install_site "$SOURCE"
  fi
  load_nginx
  settle_workers
  move_old_logs
}
