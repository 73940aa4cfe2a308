"""Instants as people write them: ISO 8601 in UTC to Unix ms, and back. Pure."""

from datetime import UTC, datetime, timedelta


def utc_text(utc_ms: int) -> str:
    """Unix ms as `2026-11-23T06:00:00Z`, with milliseconds only where there are any."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=utc_ms)
    return at.isoformat(timespec="milliseconds" if utc_ms % 1000 else "seconds").replace("+00:00", "Z")


def parse_utc_ms(text: str) -> int:
    """ISO 8601 to Unix ms, years 1 to 9999; without an offset UTC, a bare date is its midnight. Raises ValueError."""
    at = datetime.fromisoformat(text)
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:  # its offset leads out of the calendar
        raise ValueError(text) from error
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)  # no float on the way
