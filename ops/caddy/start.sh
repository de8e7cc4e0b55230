#!/bin/sh
# Caddy with the Caddyfile beside this script. One that can send a body again does so; one that cannot tells its clients to.
set -eu
cd "$(dirname "$0")"
caddy=${CADDY:-caddy}
export REPEAT="${REPEAT:-buffered}"
"$caddy" adapt --adapter caddyfile --config Caddyfile >/dev/null 2>&1 || REPEAT=bodiless
exec "$caddy" run --adapter caddyfile --config Caddyfile
