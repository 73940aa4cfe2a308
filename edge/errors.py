"""What can go wrong on a box, split by whose fault it is; each class fixes what happens next."""

from settings import ConfigError
from wire.errors import PantauError

__all__ = ["ConfigError", "DeviceLost", "LinkRefused", "OutboxCorrupt", "OutboxFull"]


class DeviceLost(PantauError, OSError):
    """The device went away (unplugged, port vanished); reopen with backoff."""


class LinkRefused(PantauError, ConnectionError):
    """The broker refused our credentials; retry slowly and say so loudly."""


class OutboxFull(PantauError, OSError):
    """The disk takes no more rows even after shedding; keep the open interval and report."""


class OutboxCorrupt(PantauError, OSError):
    """The outbox file is damaged; set it aside, salvage row by row, start a new outbox_id, say so."""


class ModemRefused(PantauError):
    """ModemManager is not there, or does not answer as it should."""


class SmsUnsure(ModemRefused):
    """The modem was asked to send a message, and what became of it is not known."""
