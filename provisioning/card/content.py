"""What goes onto one card: path on its boot partition → content. Pure but for the script, which is a file of its own.

`first-boot.sh` is the same on every card and has no value in it: it reads the files beside it. So nothing that a
person typed is ever part of a shell's line.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from importlib import resources
from typing import Final

from provisioning.card.boot import FOLDER, SCRIPT, Boot
from provisioning.card.site import CardConfig
from provisioning.written import enrolment_toml, pole_toml, unit_toml

GROUPS: Final = "adm,dialout,sudo,users,netdev,video,plugdev,gpio,i2c,spi"
CODE: Final = f"{FOLDER}/code"
NETWORK: Final = f"{FOLDER}/pantau-mobile.nmconnection"
LAST: Final = ("config.txt", "user-data", "meta-data", "cmdline.txt")  # what starts it is written when all is there
_OF_PANTAU: Final = uuid.UUID("b7a4e7a6-5f1c-4c0e-9a57-6f1d6c0a4e11")  # any: the connection's id must stay the same
_AFTER: Final = (  # on a release that is not started anew after first-boot.sh
    ["nmcli", "connection", "reload"],
    ["systemctl", "daemon-reload"],
    ["systemctl", "--no-block", "start", "ssh.service", "pantau-enrol.service", "pantau-renew.timer"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Whose card it is: name, kind (gps_unit, camera_node), one-time code, and the APN of its SIM when it is known."""

    unit: str
    kind: str
    code: str
    apn: str = ""


def card_files(boot: Boot, site: CardConfig, box: Box, *, ca_pem: bytes, keys: list[str]) -> dict[str, bytes]:
    """Every file of a card, in the order they are to be written; `keys` are SSH public keys."""
    text = {
        f"{FOLDER}/first-boot.sh": resources.files(__package__).joinpath("first-boot.sh").read_text("utf-8"),
        f"{FOLDER}/hostname": f"{box.unit}\n",
        f"{FOLDER}/user": f"{site.login.user}\n",
        f"{FOLDER}/authorized_keys": "".join(f"{key}\n" for key in keys),
        f"{FOLDER}/etc/ca.pem": ca_pem.decode("ascii"),
        f"{FOLDER}/etc/enrolment.toml": enrolment_toml(box.unit, site.addresses),
        NETWORK: mobile(box, site),
        CODE: f"{box.code}\n",
    }
    tty = "" if box.kind == "camera_node" else site.receiver.tty
    if tty:
        text[f"{FOLDER}/etc/unit.toml"] = unit_toml(box.unit, site.addresses, tty)
        text["config.txt"] = boot.configured(tty)
    if box.kind == "camera_node" and site.cameras.interface:
        text[f"{FOLDER}/etc/unit.toml"] = pole_toml(box.unit, site.addresses, site.cameras.interface)
    if boot.cloud_init:
        text["user-data"] = user_data(box, site, keys)
    # Another content is another instance: cloud-init does nothing for one that it has seen.
    digest = hashlib.sha256("\0".join(f"{path}\0{content}" for path, content in text.items()).encode()).hexdigest()
    instance = f"{FOLDER}-{box.unit}-{digest[:12]}"
    if boot.cloud_init:
        text["meta-data"] = f"dsmode: local\ninstance-id: {instance}\n"
    text["cmdline.txt"] = boot.started_with(instance, tty)
    ordered = sorted(text, key=lambda path: LAST.index(path) if path in LAST else -1)
    return {path: text[path].encode() for path in ordered}


def mobile(box: Box, site: CardConfig) -> str:
    """NetworkManager's keyfile of the mobile network (nm-settings-keyfile(5)): dials by itself, for ever."""
    apn = box.apn or site.modem.apn
    gsm = {"apn": apn, "username": site.modem.user, "password": site.modem.password} if apn else {"auto-config": "true"}
    sections = {
        "connection": {
            "id": "pantau-mobile",
            "uuid": str(uuid.uuid5(_OF_PANTAU, box.unit)),
            "type": "gsm",
            "autoconnect": "true",
            "autoconnect-retries": "0",  # for ever; NetworkManager's own default gives up after four
        },
        "gsm": {key: value.replace("\\", "\\\\") for key, value in gsm.items() if value},
        "ipv4": {"method": "auto"},
        "ipv6": {"method": "auto"},
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items()) for name, keys in sections.items()
    )


def user_data(box: Box, site: CardConfig, keys: list[str]) -> str:
    """cloud-init's user-data. JSON is YAML, with the quoting done."""
    told = {
        "hostname": box.unit,  # said here, too: cloud-init sets it again at every start
        "manage_etc_hosts": True,
        "manage_resolv_conf": False,
        "users": [
            {
                "name": site.login.user,
                "groups": GROUPS,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",  # there is no password to ask for
                "ssh_authorized_keys": keys,
            }
        ],
        "enable_ssh": True,  # Raspberry Pi's own word
        "ssh_pwauth": False,
        "runcmd": [["sh", SCRIPT], *_AFTER],
    }
    return f"#cloud-config\n{json.dumps(told, indent=2)}\n"
