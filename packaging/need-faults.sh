#!/bin/sh
# Install what only some faults need (libfaketime, nftables, iproute2) when it is missing and we may. Without it those
# scenarios and tests are skipped, each with its reason: never an error here.
PATH=$PATH:/usr/sbin:/sbin
missing=
command -v faketime >/dev/null 2>&1 || missing="$missing faketime"
command -v nft >/dev/null 2>&1 || missing="$missing nftables"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
[ -z "$missing" ] && exit 0
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null"
echo "some faults need$missing, installing with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && exit 0
fi
echo "some scenarios are skipped without them; type: sudo apt-get install -y$missing" >&2
exit 0
