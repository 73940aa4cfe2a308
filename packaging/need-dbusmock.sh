#!/bin/sh
# Install python-dbusmock when it is missing and we may: it stands in for ModemManager. Without it those tests are skipped.
[ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import dbusmock' 2>/dev/null && command -v dbus-daemon >/dev/null 2>&1 && exit 0
install='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq dbus python3-dbusmock >/dev/null'
echo "python-dbusmock is missing, installing it with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && exit 0
fi
echo "without it the tests of the modem are skipped; type: sudo apt-get install -y dbus python3-dbusmock" >&2
exit 0
