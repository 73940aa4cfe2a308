#!/bin/sh
# Say in one line what is missing to make a virtual environment here, or say nothing.
python=$1
if ! command -v "$python" >/dev/null 2>&1; then
    echo "pantau needs Python 3.11 or later; install it: sudo apt-get install -y python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "pantau needs Python 3.11 or later; $python is $("$python" -V 2>&1). Name another one: make PYTHON=python3.11 ..." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && exit 0
    elif sudo -n true 2>/dev/null; then
        sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv >/dev/null && exit 0
    fi
    echo "pantau needs Python's venv module; type: sudo apt-get install -y python3-venv" >&2
    exit 1
fi
