#!/bin/sh
# The first boot of a pantau box: what the office put onto this card becomes the box's own.
#
# Run once by systemd (systemd.run= in cmdline.txt) or by cloud-init (runcmd in user-data), from the boot partition.
# Every step may be done again: a power cut starts it over. A step that fails does not stop the others, so that a box
# with one mistake can still be reached; first-boot.log beside this file says what happened, for any laptop to read.
# By hand: sudo sh /boot/firmware/pantau/first-boot.sh

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
boot=$(dirname -- "$here")
log=$(mktemp)
failed=0

step() { # NAME: run the function of that name, and tell how it went
    (set -eu && "$1") >>"$log" 2>&1
    status=$?
    if [ "$status" -eq 0 ]; then
        echo "$1: done" >>"$log"
    else
        echo "$1: FAILED ($status)" >>"$log"
        failed=$((failed + 1))
    fi
}

host() {
    name=$(cat "$here/hostname")
    echo "$name" >/etc/hostname
    if grep -q '^127\.0\.1\.1' /etc/hosts; then
        # Not sed -i: where /etc/hosts is mounted it cannot be replaced, only written.
        changed=$(sed "s/^127\.0\.1\.1.*/127.0.1.1\t$name/" /etc/hosts)
        echo "$changed" >/etc/hosts
    else
        printf '127.0.1.1\t%s\n' "$name" >>/etc/hosts
    fi
}

login() {
    name=$(cat "$here/user")
    if ! getent passwd "$name" >/dev/null; then
        if [ -x /usr/lib/userconf-pi/userconf ] && getent passwd 1000 >/dev/null; then
            # Raspberry Pi OS 12: its only user gets the name, and the question for one at the console goes away.
            /usr/lib/userconf-pi/userconf "$name" '!'
        else
            useradd --create-home --shell /bin/bash --user-group "$name"
        fi
    fi
    for group in adm dialout sudo users netdev video plugdev gpio i2c spi; do
        if getent group "$group" >/dev/null; then usermod --append --groups "$group" "$name"; fi
    done
    home=$(getent passwd "$name" | cut -d: -f6)
    install -d -m 700 -o "$name" -g "$name" "$home/.ssh"
    install -m 600 -o "$name" -g "$name" "$here/authorized_keys" "$home/.ssh/authorized_keys"
    # There is no password to ask for: whoever has the key is who may repair the box.
    install -d -m 750 /etc/sudoers.d
    echo "$name ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/011_pantau
    chmod 440 /etc/sudoers.d/011_pantau
}

ssh_by_key() {
    install -d -m 755 /etc/ssh/sshd_config.d
    echo 'PasswordAuthentication no' >/etc/ssh/sshd_config.d/10-pantau.conf
    systemctl enable ssh.service
}

network() {
    for file in "$here"/*.nmconnection; do
        [ -e "$file" ] || continue # moved already
        install -d -m 700 /etc/NetworkManager/system-connections
        install -m 600 "$file" /etc/NetworkManager/system-connections/
        sync
        rm "$file" # a SIM's password: everybody can read the boot partition
    done
}

packages() {
    set -- "$here"/packages/*.deb
    [ -e "$1" ] || return 0
    DEBIAN_FRONTEND=noninteractive dpkg --install --force-confold "$@"
}

settings() {
    if ! getent passwd pantau >/dev/null; then
        useradd --system --home-dir /var/lib/pantau --shell /usr/sbin/nologin --user-group pantau
    fi
    install -d -m 755 /etc/pantau
    install -m 644 "$here"/etc/* /etc/pantau/
    install -d -m 750 -o pantau -g pantau /var/lib/pantau
}

code() {
    [ -e "$here/code" ] || return 0 # moved already
    install -m 600 -o pantau -g pantau "$here/code" /var/lib/pantau/code
    sync
    rm "$here/code"
}

services() {
    systemctl enable pantau-enrol.service pantau-renew.timer
}

not_again() {
    grep -q 'systemd\.run=' "$boot/cmdline.txt" || return 0
    sed -E 's/ systemd\.(run|run_success_action|run_failure_action|unit)=[^ ]*//g' "$boot/cmdline.txt" >"$boot/cmdline.new"
    sync
    mv "$boot/cmdline.new" "$boot/cmdline.txt"
}

for each in host login ssh_by_key network packages settings code services not_again; do
    step "$each"
done
mv "$log" "$here/first-boot.log"
sync
exit "$failed"
