# Before the certificate: its authority comes by port 80.
# shellcheck shell=bash disable=SC2034
step_title='Ports for visitors'

step_ports() {
  open_ports
}
