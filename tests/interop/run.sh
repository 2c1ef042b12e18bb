#!/bin/sh
# Lets other WebSocket implementations talk to our examples, Python's wsproto read what our encoder writes, and
# its zlib what our compressor writes, and the reverse. Installs what it needs, beside itself: Python packages into
# .venv, node's into node_modules; and, as root where there is apt-get, the proxies and Chromium (124 MB to fetch).
#
#   tests/interop/run.sh
#
# Needs cargo, python3 with venv, node with npm, and openssl. Without tinyproxy, microsocks or chromium their cases
# are skipped, unless SANSOCKET_INTEROP is set: then they fail. Ends with "N passed, N failed".
set -eu
cd "$(dirname "$0")"
export PIP_DISABLE_PIP_VERSION_CHECK=1

missing=
for program in openssl tinyproxy microsocks chromium; do
    command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update
    # Runlevel 1: no service is started.
    # shellcheck disable=SC2086 # these are several words
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $missing
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --requirement requirements.txt
npm ci --prefer-offline --no-audit --no-fund --silent

cargo build --locked --release --features full --example echo_server --example echo_client
SANSOCKET_INTEROP=1 cargo test --locked --release --features full --test interop

examples=$(cargo metadata --format-version 1 --no-deps |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/examples
exec .venv/bin/python interop.py "$examples"
