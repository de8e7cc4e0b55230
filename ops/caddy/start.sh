#!/bin/sh
# Runs Caddy with the Caddyfile beside this script. Versions that cannot send a request body again redirect the client instead.
set -eu
cd "$(dirname "$0")"
caddy=${CADDY:-caddy}
export RETRY_MODE="${RETRY_MODE:-buffered}"
"$caddy" adapt --adapter caddyfile --config Caddyfile >/dev/null 2>&1 || RETRY_MODE=redirect

# Caddy answers an empty 200 to unknown host names, which a client takes for an accepted job.
other_hosts() {
  rest=${1#*://}
  case $1 in http://*) scheme=http port=80 ;; *) scheme=https port=443 ;; esac
  case $rest in :*) return ;; *:*) port=${rest##*:} ;; esac
  printf '%s://:%s {\n\timport misdirected\n}\n' "$scheme" "$port"
}
FALLBACK=$(other_hosts "${SITE_ADDRESS:-:80}"; other_hosts "${DASHBOARD_ADDRESS:-http://127.0.0.1:8082}")
export FALLBACK
exec "$caddy" run --adapter caddyfile --config Caddyfile
