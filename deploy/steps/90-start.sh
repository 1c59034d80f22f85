# shellcheck shell=bash disable=SC2034
step_title='Services'

step_start() {
  start_services
}
