"""Fixes as rows of CSV or JSON, from the wire's base units. Exact: no float on the way, so that two commands agree."""

from collections.abc import Sequence

NAMES = ("unix_ms", "lat_deg", "lon_deg", "alt_m", "speed_mps", "course_deg", "hdop", "sats")
HEADER = ",".join(NAMES)
_DECIMALS = (0, 7, 7, 2, 2, 2, 2, 0)


def decimal(value: int, decimals: int) -> str:
    """`value` x 10**-decimals without zeros at the end: decimal(4885000, 5) is 48.85."""
    if decimals == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}".rstrip("0").rstrip(".")


def csv_row(columns: Sequence[int | None]) -> str:
    """One fix (the eight base-unit columns of wire.columns) as CSV; empty is unknown."""
    return ",".join(
        "" if value is None else decimal(value, places) for value, places in zip(columns, _DECIMALS, strict=True)
    )


def json_row(columns: Sequence[int | None]) -> str:
    """One fix as a JSON object with the same names and digits; unknown is null."""
    values = (
        "null" if value is None else decimal(value, places) for value, places in zip(columns, _DECIMALS, strict=True)
    )
    return "{" + ", ".join(f'"{name}": {value}' for name, value in zip(NAMES, values, strict=True)) + "}"
