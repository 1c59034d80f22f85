# Sourced by install.sh, uninstall.sh and the tests: all of the installer's functions, by subject. A subject holds what it
# puts on the machine, how that is looked at, what decides whether it has changed, and how it is taken away. Arrays are
# declared with -g: they are needed on the way back, and what is main's own is gone by then when a command has failed.
# shellcheck shell=bash
for file in lib running registry options values questions telegram claim settings system users packages network ports builder \
  bot-api fence units/list database/url database/install units/install units/start units/health nginx/site nginx/workers \
  nginx/logs nginx/load certificate release/make release/check release/trial release/switch; do
  # shellcheck source=/dev/null
  source "$SOURCE/deploy/$file.sh"
done
# shellcheck source=/dev/null
source "$SOURCE/deploy/versions.env"
unset file
