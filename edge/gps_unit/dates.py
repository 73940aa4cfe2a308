"""Which day a time of day belongs to, and the GPS week rollover. Pure; all instants are Unix milliseconds."""

from datetime import date

DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_UNIX_DAY_0 = date(1970, 1, 1).toordinal()

# The GPS week number has 10 bits (IS-GPS-200, 20.3.3.3.1.1): firmware older than its data is out by 1024 weeks.
ROLLOVER_MS = 1024 * 7 * DAY_MS
_LONGEST_SERVICE_MS = 20 * 36525 * DAY_MS // 100  # a box is not in service 20 years after its clock's floor


def day_number(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01, None when there is no such day."""
    try:
        return date(year, month, day).toordinal() - _UNIX_DAY_0
    except (ValueError, OverflowError):  # the latter beyond a C int: ZDA's year may have any digits
        return None


def full_year(two_digits: int) -> int:
    """The year of an RMC date. GPS time begins in 1980, so 80-99 are of the last century."""
    return two_digits + (1900 if two_digits >= 80 else 2000)


def instant_after(time_of_day_ms: int, reference_utc_ms: int) -> int:
    """The instant with that time of day in the 24 hours from one hour before the reference on.

    The hour lets a date sentence run ahead of its fix: by a second on an AC12, by midnight between two sentences.
    """
    earliest = reference_utc_ms - _HOUR_MS
    return earliest + (time_of_day_ms - earliest) % DAY_MS


def instant_before(time_of_day_ms: int, reference_utc_ms: int) -> int:
    """The instant with that time of day in the 24 hours up to one hour after the reference."""
    latest = reference_utc_ms + _HOUR_MS
    return latest - (latest - time_of_day_ms) % DAY_MS


def unroll(utc_ms: int, not_before_utc_ms: int, floor_utc_ms: int) -> int:
    """Add 1024 weeks while the instant is before `not_before`, unless that leads beyond the floor + 20 years."""
    while utc_ms < not_before_utc_ms and utc_ms + ROLLOVER_MS <= floor_utc_ms + _LONGEST_SERVICE_MS:
        utc_ms += ROLLOVER_MS
    return utc_ms
