# shellcheck shell=bash disable=SC2034
step_title='nginx'

step_nginx() {
  raise_limits "$SOURCE"
  if [[ ${ANSWERS[TGDEPOT_TLS]} == none ]]; then
    fill_site "$SOURCE" http plain | install_site "$SOURCE"
  else
    fill_site "$SOURCE" http redirect tls | install_site "$SOURCE"
  fi
  load_nginx
}
