#!/bin/sh
# Install what builds Debian packages when it is missing and we may; otherwise say exactly what to type.
command -v dh >/dev/null 2>&1 && command -v dpkg-buildpackage >/dev/null 2>&1 && exit 0
install='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debhelper dpkg-dev >/dev/null'
echo "debhelper is missing, installing it with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && exit 0
fi
echo "packages are built with debhelper; type: sudo apt-get install -y debhelper dpkg-dev" >&2
exit 1
