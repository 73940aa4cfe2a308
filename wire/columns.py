"""Fixes of one report interval as the bytes of a Track. Portable; decode.py is the other way, at the centre."""

from wire import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # time_ms, lat_e7, lon_e7, alt_cm, speed_cmps, course_cdeg, hdop_c, sats
    Fix8 = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z in Unix ms: three bytes less a row than 1970
MAX_FIXES = 4096  # ten a second for almost seven minutes; also what a centre will unfold from a few bytes
FULL_TURN_CDEG = 36_000

# Column by column, time first. Limits are multiples of 1,000 so that no rounding leaves them: year 9999, the globe, and
# far beyond anything a receiver says (HDOP 176 and -704 m are in real logs). Course 360.00 deg comes back as 0.
COLUMNS = 8
TIME, LAT, LON, ALT, SPEED, COURSE, HDOP, SATS = range(COLUMNS)
LOWEST = (0, -900_000_000, -1_800_000_000, -1_000_000_000, 0, 0, 0, 0)
HIGHEST = (253_402_300_000_000, 900_000_000, 1_800_000_000, 1_000_000_000, 100_000_000, 36_000, 1_000_000, 1_000)
LAST_TWICE = ALT  # time to altitude, differences of differences: what moves on evenly costs nothing
FIRST_FIELD = 3  # field number of TIME in Track; the others follow
SCALE_SHIFT = 8  # in Track.layout: the eight bits below say which columns are joined
SCALE_OF = (0, 1, 1, 2, 3, 4, 5, None)  # which scale a column has; lat and lon share one
SCALES = 6
MAX_SCALE = 3


def encode_track(
    fixes: "Sequence[Fix8]",
    *,
    scales: "tuple[int, int, int, int, int, int] | None" = None,
    boot_id: "int | None" = None,
    observed: "int | None" = None,
    estimated: "Sequence[int]" = (),
    parked: bool = False,
) -> bytes:
    """The Track of 1 .. MAX_FIXES fixes in base units; ValueError when a value is outside LOWEST .. HIGHEST.

    A fix is (time_ms, lat_e7, lon_e7, alt_cm, speed_cmps, course_cdeg, hdop_c, sats), the last five None when unknown;
    time is Unix time, or CLOCK_BOOTTIME of `boot_id`. `scales` None is lossless; else six exponents of ten (0 .. 3) for
    time, position, altitude, speed, course and HDOP: values are rounded half-even to that many base units. `observed`
    is how many epochs the receiver gave before thinning, `estimated` the indexes of fixes that are dead reckoning.
    """
    if not 1 <= len(fixes) <= MAX_FIXES:
        raise ValueError(f"a track has 1 to {MAX_FIXES} fixes, not {len(fixes)}")
    if boot_id is not None and not 0 < boot_id < 1 << 64:
        raise ValueError(f"no boot_id: {boot_id}")
    columns = [[value for value in column if value is not None] for column in zip(*fixes)]  # noqa: B905
    _check_limits(columns)
    if boot_id is None:
        columns[TIME] = [time_ms - EPOCH_MS for time_ms in columns[TIME]]
    layout = _scale_down(columns, scales or (0,) * SCALES) << SCALE_SHIFT
    own = []
    firsts: list[int] = []
    others: list[int] = []
    for column, values in enumerate(columns):
        steps = _differences(values, column, layout)
        sent = _without_zeros(steps)
        if len(steps) == len(fixes) and len(steps) - len(sent) < 2:  # two bytes are the price of an own field
            firsts += steps[:1]
            others += steps[1:]
            layout |= 1 << column
        else:
            own.append(fields.packed_signed(FIRST_FIELD + column, sent))
    return b"".join(
        [
            fields.unsigned(1, len(fixes)),
            fields.unsigned(2, layout),
            b"".join(own),
            b"".join(_missing(fixes, columns)),
            fields.packed_unsigned(12, list(estimated)),
            fields.fixed64(13, boot_id or 0),
            fields.unsigned(14, observed if observed and observed > len(fixes) else 0),
            fields.packed_signed(15, firsts + others),
            fields.unsigned(16, int(parked)),
        ]
    )


def _check_limits(columns: "list[list[int]]") -> None:
    for column, values in enumerate(columns):
        if values and not LOWEST[column] <= min(values) <= max(values) <= HIGHEST[column]:
            raise ValueError(f"column {column} has a value beyond {LOWEST[column]} to {HIGHEST[column]}")


def _scale_down(columns: "list[list[int]]", least: "Sequence[int]") -> int:
    """Round each column to its least exponent, divide by the largest power of ten that fits; the scales, packed."""
    packed = 0
    for scale in range(SCALES):
        members = [column for column in range(COLUMNS) if SCALE_OF[column] == scale and columns[column]]
        for column in members:
            columns[column] = _rounded(columns[column], 10 ** least[scale])
        exponent = MAX_SCALE if members else 0
        while exponent and any(value % 10**exponent for column in members for value in columns[column]):
            exponent -= 1
        for column in members:
            columns[column] = [value // 10**exponent for value in columns[column]]
        packed |= exponent << 2 * scale
    return packed


def _rounded(values: "list[int]", quantum: int) -> "list[int]":
    """Each value's nearest multiple of `quantum`, half to the even one."""
    if quantum == 1:
        return values
    half = quantum // 2
    out = []
    for value in values:
        whole, rest = divmod(value, quantum)
        out.append((whole + (rest > half or (rest == half and whole & 1))) * quantum)
    return out


def _differences(values: "list[int]", column: int, layout: int) -> "list[int]":
    if column == COURSE:
        turn = FULL_TURN_CDEG // 10 ** scale_exponent(layout, COURSE)
        values = [value % turn for value in values]
        return values[:1] + [_signed_turn(b - a, turn) for a, b in _pairs(values)]
    steps = values[:1] + [b - a for a, b in _pairs(values)]
    if column <= LAST_TWICE:
        steps = steps[:2] + [b - a for a, b in _pairs(steps[1:])]
    return steps


def scale_exponent(layout: int, column: int) -> int:
    """The power of ten of a column's quantum, from Track.layout."""
    scale = SCALE_OF[column]
    return 0 if scale is None else layout >> SCALE_SHIFT + 2 * scale & 3


def _pairs(values: "list[int]") -> "list[tuple[int, int]]":
    return list(zip(values, values[1:]))  # noqa: B905, RUF007 (MicroPython has neither)


def _signed_turn(step: int, turn: int) -> int:
    """The way round that is shorter: -turn/2 <= step < turn/2."""
    half = turn // 2
    return (step + half) % turn - half


def _without_zeros(steps: "list[int]") -> "list[int]":
    end = len(steps)
    while end > 1 and not steps[end - 1]:
        end -= 1
    return steps[:end]


def _missing(fixes: "Sequence[Fix8]", columns: "list[list[int]]") -> "list[bytes]":
    """A Missing message for each column that some fixes have and others lack."""
    out = []
    for column, values in enumerate(columns):
        if not 0 < len(values) < len(fixes):
            continue
        bitmap = bytearray((len(fixes) + 7) // 8)
        for index, fix in enumerate(fixes):
            if fix[column] is None:
                bitmap[index >> 3] |= 1 << (index & 7)
        message = fields.unsigned(1, FIRST_FIELD + column) + fields.octets(2, _trimmed(bitmap))
        out.append(fields.octets(11, message))
    return out


def _trimmed(bitmap: bytearray) -> bytes:
    end = len(bitmap)
    while not bitmap[end - 1]:
        end -= 1
    return bytes(bitmap[:end])
