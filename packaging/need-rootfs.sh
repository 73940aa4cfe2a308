#!/bin/sh
# Install what makes a Debian root file system when it is missing and we may. Without it the tests that install the
# packages are skipped, each with its reason: never an error here. With an argument (aarch64, arm) also the emulator
# that runs that machine's programs here, registered with the kernel as its package does where systemd runs.
missing=
command -v mmdebstrap >/dev/null 2>&1 || missing="$missing mmdebstrap"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
[ -z "$1" ] || command -v "qemu-$1-static" >/dev/null 2>&1 || missing="$missing qemu-user-static"
[ -z "$1" ] || command -v arch-test >/dev/null 2>&1 || missing="$missing arch-test"
if [ -n "$missing" ]; then
    install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null"
    echo "the packages' test needs$missing, installing with apt-get" >&2
    if [ "$(id -u)" = 0 ]; then
        sh -c "$install"
    elif sudo -n true 2>/dev/null; then
        sudo sh -c "$install"
    else
        echo "the test is skipped without; type: sudo apt-get install -y$missing" >&2
    fi
fi
formats=/proc/sys/fs/binfmt_misc
if [ -n "$1" ] && [ "$(id -u)" = 0 ] && [ ! -e "$formats/qemu-$1" ]; then
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
    cat "/usr/lib/binfmt.d/qemu-$1.conf" >$formats/register
fi
exit 0
