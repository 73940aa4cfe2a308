"""Mosquitto's configuration as text (pure); written for 2.0.11 (Debian 12) and later, 2.1 included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.packets import PACKET_LIMIT_BYTES

# A reader that falls behind: 0.25 s of a full city at 40,000 messages/s, then drop. An unlimited queue ruins goodput
# (every resend joins the original in it), so never 0; the bytes bound what one consumer can make the broker hold.
QUEUED_MESSAGES: Final = 10_000
QUEUED_BYTES: Final = 64 * 1024 * 1024
# Topic names a client may shorten to two bytes: a unit publishes on three.
TOPIC_ALIASES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """The one listener: where, and with which PEM files; `crl_path` names certificates no longer good."""

    address: str
    port: int
    ca_path: Path
    certificate_path: Path
    key_path: Path
    crl_path: Path | None = None


def render_configuration(listener: Listener, *, acl_path: Path, as_root: bool, connections: int) -> str:
    """The whole file. `as_root`: root starts it and it stays root; `connections`: how many it accepts."""
    lines = [
        "# Rendered by pantau from the centre's configuration: a change here is lost at the next start.",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages false",
        # Nothing is kept here: what is not receipted is still in the units' outboxes, and retained topics have
        # their source in the store.
        "persistence false",
        "allow_anonymous false",
        f"acl_file {acl_path}",
        "set_tcp_nodelay true",
        f"max_packet_size {PACKET_LIMIT_BYTES}",
        f"max_queued_messages {QUEUED_MESSAGES}",
        f"max_queued_bytes {QUEUED_BYTES}",
        "sys_interval 0",
        "",
        f"listener {listener.port} {listener.address}",
        f"max_connections {connections}",
        f"max_topic_alias {TOPIC_ALIASES}",
        f"cafile {listener.ca_path}",
        f"certfile {listener.certificate_path}",
        f"keyfile {listener.key_path}",
        "require_certificate true",
        # The certificate is the only credential, and nobody takes over another's session by claiming its client id.
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "tls_version tlsv1.2",
    ]
    if as_root:
        # Else it drops to the user `mosquitto` and then cannot read a 0600 key of root's ("system lib" in its log, no
        # listener). Who must not run as root is decided by systemd's unit, not here.
        lines.append("user root")
    if listener.crl_path is not None:
        lines.append(f"crlfile {listener.crl_path}")
    return "\n".join([*lines, ""])
