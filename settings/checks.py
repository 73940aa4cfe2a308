"""Checks of values that the schemas of a box and of the centre share: None, or what is wrong."""

import re

# A name or an IPv4 or IPv6 address, with its zone. It becomes a file's name and a word of Mosquitto's configuration.
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:%_-]*[A-Za-z0-9])?|::[A-Za-z0-9.:%]*")


def host_name(text: str) -> str | None:
    """Whether it can be a host's name or address; names of other letters are written as their certificates say them."""
    return None if _HOST.fullmatch(text) else "letters, digits, dots and -, or an address"
