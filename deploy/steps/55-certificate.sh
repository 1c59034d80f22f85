# shellcheck shell=bash disable=SC2034
step_title='Certificate'

step_certificate() {
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
  if [[ ! -e $SITE ]]; then
    fill_site "$SOURCE" http redirect | install_site "$SOURCE"
    load_nginx
  elif ! grep -qF "server_name $1;" "$SITE" || ! grep -qF "$ACME_ROOT" "$SITE"; then
    fill_site "$SOURCE" redirect >"$CHALLENGE_SITE"
    (run nginx -t) || { rm -f "$CHALLENGE_SITE"; exit 1; }
    run systemctl reload-or-restart nginx
  fi
}
