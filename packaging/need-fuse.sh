#!/bin/sh
# Install fuse3 when it is missing and we may. Without it the tests that cut the power of a simulated card are skipped.
command -v fusermount3 >/dev/null 2>&1 && exit 0
if [ ! -e /dev/fuse ]; then
    echo "no /dev/fuse here: the tests that cut the power of a simulated card are skipped" >&2
    exit 0
fi
install='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq fuse3 >/dev/null'
echo "fuse3 is missing, installing it with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && exit 0
fi
echo "without fuse3 the tests that cut the power of a simulated card are skipped; type: sudo apt-get install -y fuse3" >&2
exit 0
