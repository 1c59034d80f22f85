#!/bin/sh
# Run by certbot after a renewal: nginx reads certificates only when it loads its files.
exec systemctl reload nginx
