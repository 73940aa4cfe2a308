#!/bin/sh
# Install Mosquitto when it is missing and we may; otherwise say exactly what to type.
PATH=$PATH:/usr/sbin:/usr/local/sbin
command -v mosquitto >/dev/null 2>&1 && exit 0
# The broker is run by pantau itself, with its own configuration: the package's own service would take port 1883 for nothing.
install='apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mosquitto >/dev/null'
echo "Mosquitto is missing, installing it with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && exit 0
fi
echo "pantau needs the Mosquitto broker; type: sudo apt-get install -y mosquitto" >&2
exit 1
