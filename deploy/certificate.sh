# Sourced by install.sh and uninstall.sh: the certificate, of an authority or of our own making.
# shellcheck shell=bash disable=SC2034,SC2153

ACME_ROOT=/var/lib/tgdepot-acme
ACME_CERTIFICATE=/etc/letsencrypt/live/tgdepot
# Sorts after the site, whose log format it uses.
CHALLENGE_SITE=${SITE%.conf}_challenge.conf
CERTBOT_HOOK=/etc/letsencrypt/renewal-hooks/deploy/tgdepot-nginx
WRITTEN+=("$CERTBOT_HOOK")

# Where the certificate lies for a kind of TLS.
choose_certificate() {
  local folder=$ETC/tls
  [[ $1 != acme ]] || folder=$ACME_CERTIFICATE
  CERTIFICATE=$folder/fullchain.pem
  CERTIFICATE_KEY=$folder/privkey.pem
}

is_private() { [[ $1 =~ ^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|::1$|f[cd]|fe80) ]]; }

# IPv4 or IPv6.
family_of() { if [[ $1 == *:* ]]; then printf '6\n'; else printf '4\n'; fi; }

# A certificate authority comes by any of the domain's addresses, IPv6 before IPv4; without acme a wrong one only delays
# the owner's first link.
check_dns() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN]} complain=warn own address public='' found=0
  [[ -n $domain && ${ANSWERS[TGDEPOT_TLS]} != none ]] || return 0
  [[ ${ANSWERS[TGDEPOT_TLS]} != acme ]] || complain=fault
  own=$(ip -o addr show 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
  for address in $own; do is_private "$address" || public+=$(family_of "$address"); done
  for address in $(getent ahosts "$domain" | awk '{ print $1 }' | sort -u); do
    found=1
    if grep -qxF "$address" <<<"$own"; then
      [[ $complain == warn ]] || check_door "$address"
    elif [[ $address == 127.* ]]; then
      # Debian's line for the machine's own name, 127.0.1.1, behind which it is not seen what others are told.
      warn "/etc/hosts leads $domain to this machine: whether DNS does too cannot be told from here"
    # Behind a router the public address is not on this machine, so nothing can be told from here.
    elif [[ $address != *:* && $public != *4* ]]; then
      warn "the name $domain leads to $address; is that the router in front of this machine, and does it pass port 80 on?"
    else
      "$complain" "the name $domain leads to $address, which is not an address of this machine"
    fi
  done
  ((found)) || "$complain" "the name $domain has no address yet: make a DNS record for it"
}

# Where a web server runs already, the authority has to come through to it.
check_door() {
  [[ -z $(listeners 80) ]] || can_connect "$1" 80 ||
    fault "port 80 of $1 does not take connections, although a web server runs: the certificate's authority comes by it"
}

install_certificate() {
  case ${ANSWERS[TGDEPOT_TLS]} in
    acme) get_certificate ;;
    self-signed) make_certificate ;;
    none) NOTE='none: another proxy ends TLS' ;;
  esac
}

certificate_is_good() {
  openssl x509 -in "$CERTIFICATE" -noout -checkend $((30 * 86400)) >/dev/null 2>&1 &&
    openssl x509 -in "$CERTIFICATE" -noout -checkhost "$1" 2>/dev/null | grep -q 'does match'
}

make_certificate() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN],,} new=$ETC/tls/.new
  make_folder "$ETC/tls" 0700
  ! certificate_is_good "$domain" || return 0
  rm -rf "$new"
  mkdir -m 0700 "$new"
  run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=${domain:0:64}" \
    -addext "subjectAltName=DNS:$domain" -keyout "$new/privkey.pem" -out "$new/fullchain.pem"
  mv -f "$new/privkey.pem" "$new/fullchain.pem" "$ETC/tls/"
  rmdir "$new"
  mark_changed
}

# The authority looks for its challenge on port 80 under this domain, so a server for that comes first.
get_certificate() {
  local domain=${ANSWERS[TGDEPOT_DOMAIN],,} server=() contact=(--register-unsafely-without-email) status=0
  make_folder "$(dirname "$CERTBOT_HOOK")" 0755
  install_file "$SOURCE/deploy/certbot-hook.sh" "$CERTBOT_HOOK" 0755
  ! certificate_is_good "$domain" || return 0
  make_folder "$ACME_ROOT" 0755
  offer_challenge "$domain"
  [[ -z ${ANSWERS[TGDEPOT_ACME_SERVER]} ]] || server=(--server "${ANSWERS[TGDEPOT_ACME_SERVER]}")
  [[ -z ${ANSWERS[TGDEPOT_EMAIL]} ]] || contact=(--email "${ANSWERS[TGDEPOT_EMAIL]}")
  (run certbot certonly --non-interactive --agree-tos "${contact[@]}" "${server[@]}" \
    --webroot --webroot-path "$ACME_ROOT" --cert-name tgdepot --domain "$domain") || status=$?
  rm -f "$CHALLENGE_SITE"
  ((status == 0)) || exit "$status"
  # nginx has the old one in memory.
  rm -f "$STATE/nginx"
  mark_changed
}

# A site that is there already goes on as it is until the certificate has come, with a second file beside it.
offer_challenge() {
  drop_refused_site
  if [[ ! -e $SITE ]]; then
    fill_site "$SOURCE" http redirect | install_site "$SOURCE"
    load_nginx
  elif ! grep -qF "server_name $1;" "$SITE" || ! grep -qF "$ACME_ROOT" "$SITE"; then
    fill_site "$SOURCE" redirect >"$CHALLENGE_SITE"
    (run nginx -t) || { rm -f "$CHALLENGE_SITE"; exit 1; }
    run systemctl reload-or-restart nginx
  fi
}

# The certificate itself stays, for the next installation.
remove_certificate() { rm -rf "$CERTBOT_HOOK" "$CHALLENGE_SITE" "$ACME_ROOT"; }

purge_certificate() {
  local folder=${ACME_CERTIFICATE%/live/*}
  [[ -d $ACME_CERTIFICATE ]] || return 0
  certbot delete --non-interactive --quiet --cert-name tgdepot && return
  # certbot itself may have been removed before.
  rm -rf "$folder"/{live,archive}/tgdepot "$folder/renewal/tgdepot.conf"
}
