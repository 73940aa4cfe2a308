"""The modem's lines of the sheet, from what ModemManager says."""

from __future__ import annotations

from edge.errors import ModemRefused
from edge.modem import look
from provisioning.acceptance import words
from provisioning.acceptance.cell import lines_of
from provisioning.acceptance.config import Modem
from provisioning.acceptance.sheet import Line, demanded, skipped


def modem(limits: Modem, within_s: float, *, address: str | None = None) -> list[Line]:
    """The modem's lines, after up to `within_s` for a network; `address` is a bus other than the system's."""
    if not limits.there:
        return [skipped("modem", words.NO_MODEM_WANTED)]
    try:
        return lines_of(look(within_s, address=address), limits)
    except ModemRefused as error:
        return [demanded("modem", str(error), False, words.NO_MODEM_MANAGER)]
