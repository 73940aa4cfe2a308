#!/bin/sh
# Which wheels go into the packages: pyproject.toml's extras, resolved for every machine and Python at once, each version
# with the hashes of all its files. Called by make packages-lock with the path of uv.
set -e
cd "$(dirname "$0")/.."
lock() {
    package=$1
    shift
    "$uv" pip compile pyproject.toml "$@" --constraints packaging/wheels/constraints.txt --quiet --universal \
        --python-version 3.11 --generate-hashes --no-annotate --no-header --output-file "packaging/wheels/$package.txt"
}
uv=$1
lock gps-unit --extra gps-unit --extra modem --extra cli
lock camera-node --extra camera-node --extra cli
lock broker --extra broker --extra gps-unit --extra cli
lock provision --extra check --extra authority --extra broker --extra cli
