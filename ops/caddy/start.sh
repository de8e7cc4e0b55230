#!/bin/sh
# Caddy with the Caddyfile beside this script. One that can send a body again does so; one that cannot tells its clients to.
set -eu
cd "$(dirname "$0")"
caddy=${CADDY:-caddy}
export REPEAT="${REPEAT:-buffered}"
"$caddy" adapt --adapter caddyfile --config Caddyfile >/dev/null 2>&1 || REPEAT=bodiless

# Caddy answers an empty 200 to a Host that no site is for, which a client takes for an accepted job.
everything_else() {
  rest=${1#*://}
  case $1 in http://*) scheme=http port=80 ;; *) scheme=https port=443 ;; esac
  case $rest in :*) return ;; *:*) port=${rest##*:} ;; esac
  printf '%s://:%s {\n\timport misdirected\n}\n' "$scheme" "$port"
}
FALLBACK=$(everything_else "${SITE_ADDRESS:-:80}"; everything_else "${DASHBOARD_ADDRESS:-http://127.0.0.1:8082}")
export FALLBACK
exec "$caddy" run --adapter caddyfile --config Caddyfile
