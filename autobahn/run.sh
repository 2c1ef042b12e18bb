#!/bin/sh
# Lets Autobahn's test suite judge our server and our client: README.md. Installs what it needs into .venv, beside
# itself, unless a Docker engine answers; then the suite is in an image.
#
#   autobahn/run.sh [server|client|all|broken] [--front-end NAME]... [--cases PATTERN]... [--jobs N]
#
# Needs cargo and python3; without Docker, CPython 3.11 or 3.12 with venv. WSTEST in the environment is another
# command to run the suite by. Ends with "N passed, N failed", and fails unless all pass.
set -eu
cd "$(dirname "$0")"
export PIP_DISABLE_PIP_VERSION_CHECK=1

# The suite is ported with lib2to3, which CPython had until 3.12.
find_python() {
    for python in python3 python3.12 python3.11 "${PYENV_ROOT:-${HOME-}/.pyenv}"/versions/3.1[12].*/bin/python; do
        if "$python" -W ignore -c 'import ensurepip, lib2to3, sys; assert sys.version_info >= (3, 11)' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "autobahn/run.sh: neither Docker nor CPython 3.11 or 3.12 (with venv and lib2to3) is here" >&2
    return 1
}

install() {
    if cat requirements.txt port.py compat.py | cmp -s - .venv/ported; then return; fi
    found=$(find_python)
    "$found" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --requirement requirements.txt
    .venv/bin/python -W ignore port.py
    cat requirements.txt port.py compat.py >.venv/ported
}

cargo build --locked --release --features full --example echo_server --example autobahn_client
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')

if [ -n "${WSTEST-}" ]; then
    echo "the suite: $WSTEST"
elif docker info >/dev/null 2>&1; then
    reports=$target/autobahn
    WSTEST="docker run --rm --init --network host --volume '$reports:$reports' crossbario/autobahn-testsuite wstest"
else
    install
    WSTEST="'$PWD/.venv/bin/python' -W ignore '$PWD/wstest.py'"
fi
export WSTEST
exec python3 run.py --target "$target" "$@"
