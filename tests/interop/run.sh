#!/bin/sh
# Lets other WebSocket implementations talk to our examples, and Python's wsproto read what our encoder
# writes. Installs what it needs, beside itself: Python packages into .venv, node's into node_modules.
#
#   tests/interop/run.sh
#
# Needs cargo, python3 with venv, and node with npm. Ends with "N passed, N failed".
set -eu
cd "$(dirname "$0")"
export PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --requirement requirements.txt
npm ci --prefer-offline --no-audit --no-fund --silent

cargo build --locked --release --example echo_server --example echo_client
SANSOCKET_INTEROP=1 cargo test --locked --release --test interop

examples=$(cargo metadata --format-version 1 --no-deps |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/examples
exec .venv/bin/python interop.py "$examples"
