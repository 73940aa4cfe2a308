"""A unit's side of records.proto: rows, parcels and the bodies that are no track, as canonical bytes. Portable.

Keyword arguments carry the names of the fields. A stamp is (utc_ms, boot_id, boottime_ms), utc_ms None while UTC is
not sane.
"""

from binascii import crc32

from wire.fields import fixed32, fixed64, octets, packed_signed, packed_unsigned, signed, text, unsigned, zigzag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wire.ranges import Ranges

    Stamp = tuple[int | None, int, int]
    WireRow = tuple[int, int, int, int, bytes]  # seq, cls, kind, check, body


def check(body: bytes) -> int:
    """CRC-32 of a record's bytes, as it stands in its row and in receipts."""
    return crc32(body) & 0xFFFFFFFF


def parcel(
    outbox_id: int,
    rows: "Iterable[WireRow]",
    *,
    waiting_bytes: int = 0,
    session: int = 0,
    boot_id: int = 0,
    sent_boottime_ms: int = 0,
) -> bytes:
    """A parcel of (seq, cls, kind, check, body) rows of one outbox; 0 leaves a stamp out."""
    out = [fixed32(1, outbox_id)]
    before = 0
    for seq, cls, kind, body_check, body in rows:
        out.append(octets(2, _row(seq - before, cls, kind, body_check, body), present=True))
        before = seq
    out.append(_stamps(waiting_bytes, session, boot_id, sent_boottime_ms))
    return b"".join(out)


def packed_parcel(
    outbox_id: int,
    packed_rows: bytes,
    *,
    waiting_bytes: int = 0,
    session: int = 0,
    boot_id: int = 0,
    sent_boottime_ms: int = 0,
) -> bytes:
    """A parcel whose rows are a packed rows_message()."""
    stamps = _stamps(waiting_bytes, session, boot_id, sent_boottime_ms)
    return fixed32(1, outbox_id) + octets(3, packed_rows) + stamps


def _stamps(waiting_bytes: int, session: int, boot_id: int, sent_boottime_ms: int) -> bytes:
    return unsigned(4, waiting_bytes) + unsigned(5, session) + fixed64(6, boot_id) + unsigned(7, sent_boottime_ms)


def rows_message(rows: "Iterable[WireRow]") -> bytes:
    """The rows in columns: a Rows message, to be packed by the caller (pack.py) for the bulk lane."""
    steps, classes, kinds, bodies = [], [], [], []
    before = checks = 0
    for seq, cls, kind, body_check, body in rows:
        steps.append(seq - before)
        classes.append(cls)
        kinds.append(kind)
        bodies.append(body)
        checks ^= body_check
        before = seq
    return b"".join(
        [
            packed_signed(1, steps),
            packed_unsigned(2, [len(body) for body in bodies]),
            packed_unsigned(3, _without_zeros(classes)),
            packed_unsigned(4, _without_zeros(kinds)),
            fixed32(5, checks),
            octets(6, b"".join(bodies)),
        ]
    )


def _without_zeros(numbers: list[int]) -> list[int]:
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def _row(seq_step: int, cls: int, kind: int, body_check: int, body: bytes) -> bytes:
    return signed(1, seq_step) + unsigned(2, cls) + unsigned(3, kind) + fixed32(4, body_check) + octets(5, body)


def event(
    *,
    at: "Stamp",
    name: str,
    lat_e7: "int | None" = None,
    lon_e7: "int | None" = None,
    fix_age_s: int = 0,
    detail: "Mapping[str, str] | None" = None,
) -> bytes:
    """Something that happened, where if it is known."""
    return b"".join(
        [
            _stamp(1, at),
            text(2, name),
            _optional_signed(3, lat_e7),
            _optional_signed(4, lon_e7),
            unsigned(5, fix_age_s),
            _words(6, detail),
        ]
    )


def health(
    *,
    at: "Stamp",
    holdings: "Iterable[tuple[int, int, Ranges]]" = (),
    rows: int = 0,
    bytes_on_disk: int = 0,
    oldest_age_s: int = 0,
    shed_by_reason: "Mapping[str, int] | None" = None,
    rejected_by_reason: "Mapping[str, int] | None" = None,
    reconnects_today: int = 0,
    bytes_up_today: int = 0,
    bytes_down_today: int = 0,
    cpu_decidegree_c: "int | None" = None,
    undervoltage: "bool | None" = None,
    disk_free_bytes: int = 0,
    uptime_s: int = 0,
    firmware: str = "",
    unobserved_by_reason: "Mapping[str, int] | None" = None,
    sim: "bytes | None" = None,
    modem: "bytes | None" = None,
) -> bytes:
    """The box's own account; a holding is (outbox_id, below_seq, Ranges held), `sim` and `modem` what those made."""
    return b"".join(
        [
            _stamp(1, at),
            b"".join([_entry(2, _holding(outbox_id, below_seq, held)) for outbox_id, below_seq, held in holdings]),
            unsigned(3, rows),
            unsigned(4, bytes_on_disk),
            unsigned(5, oldest_age_s),
            _counts(6, shed_by_reason),
            _counts(7, rejected_by_reason),
            unsigned(8, reconnects_today),
            unsigned(9, bytes_up_today),
            unsigned(10, bytes_down_today),
            _optional_signed(11, cpu_decidegree_c),
            unsigned(12, int(undervoltage or 0), present=undervoltage is not None),
            unsigned(13, disk_free_bytes),
            unsigned(14, uptime_s),
            text(15, firmware),
            _counts(16, unobserved_by_reason),
            octets(17, sim or b"", present=sim is not None),
            b"" if modem is None else _entry(30, modem),
        ]
    )


def sim(
    *,
    plan_bytes: int = 0,
    verdict_bytes: int = 0,
    snapshot_bytes: int = 0,
    live_bytes: int = 0,
    backlog_bytes: int = 0,
    housekeeping_bytes: int = 0,
    exhausted_utc_ms: "int | None" = None,
    degree: int = 0,
) -> bytes:
    """What the SIM has carried since its reset day, by class; a part of health()."""
    return b"".join(
        [
            unsigned(1, plan_bytes),
            unsigned(2, verdict_bytes),
            unsigned(3, snapshot_bytes),
            unsigned(4, live_bytes),
            unsigned(5, backlog_bytes),
            unsigned(6, housekeeping_bytes),
            _optional_signed(7, exhausted_utc_ms),
            unsigned(8, degree),
        ]
    )


def modem(
    *,
    model: str = "",
    state: str = "",
    registration: str = "",
    operator: str = "",
    cell: str = "",
    iccid: str = "",
    rsrp_dbm: "int | None" = None,
    rsrq_db: "int | None" = None,
    sinr_db: "int | None" = None,
    steps: "Mapping[str, int] | None" = None,
    helped: "Mapping[str, int] | None" = None,
) -> bytes:
    """One look at the modem, a part of `health`."""
    return b"".join(
        [
            text(1, model),
            text(2, state),
            text(3, registration),
            text(4, operator),
            text(5, cell),
            text(6, iccid),
            _optional_signed(7, rsrp_dbm),
            _optional_signed(8, rsrq_db),
            _optional_signed(9, sinr_db),
            _counts(10, steps),
            _counts(11, helped),
        ]
    )


def camera(
    *,
    at: "Stamp",
    camera: str,
    verdict: str,
    cause: str = "",
    confidence_percent: int = 0,
    reason: str = "",
    frames_per_s_x100: "int | None" = None,
    bitrate_kbps: "int | None" = None,
) -> bytes:
    """A verdict on a camera's picture."""
    return b"".join(
        [
            _stamp(1, at),
            text(2, camera),
            text(3, verdict),
            text(4, cause),
            unsigned(5, confidence_percent),
            text(6, reason),
            unsigned(7, frames_per_s_x100 or 0, present=frames_per_s_x100 is not None),
            unsigned(8, bitrate_kbps or 0, present=bitrate_kbps is not None),
        ]
    )


def snapshot(*, at: "Stamp", camera: str, media_type: str, image: bytes, why: str = "") -> bytes:
    """A picture, as the camera node made it."""
    return _stamp(1, at) + text(2, camera) + text(3, media_type) + octets(4, image) + text(5, why)


def result(*, at: "Stamp", command_id: str, ok: bool, detail: str = "") -> bytes:
    """What became of a command."""
    return _stamp(1, at) + text(2, command_id) + unsigned(3, int(ok)) + text(4, detail)


def reported(*, at: "Stamp", version: int, json: str) -> bytes:
    """The configuration the unit runs now."""
    return _stamp(1, at) + unsigned(2, version) + text(3, json)


def tombstone(*, at: "Stamp", gone: "Iterable[tuple[int, Ranges, str]]") -> bytes:
    """Rows that are gone from the unit: (outbox_id, Ranges of seqs, reason) each."""
    return _stamp(1, at) + b"".join([_entry(2, _gone(outbox_id, seqs, reason)) for outbox_id, seqs, reason in gone])


def anchor(*, boot_id: int, boottime_ms: int, utc_ms: int, source: int) -> bytes:
    """Ties a boot's clock to UTC; `source` is one of kinds.SOURCE_*."""
    return fixed64(1, boot_id) + unsigned(2, boottime_ms) + signed(3, utc_ms) + unsigned(4, source)


def _stamp(field: int, at: "Stamp") -> bytes:
    utc_ms, boot_id, boottime_ms = at
    return octets(field, _optional_signed(1, utc_ms) + fixed64(2, boot_id) + unsigned(3, boottime_ms), present=True)


def _holding(outbox_id: int, below_seq: int, held: "Ranges") -> bytes:
    return fixed32(1, outbox_id) + unsigned(2, below_seq) + packed_unsigned(3, held.pack())


def _gone(outbox_id: int, seqs: "Ranges", reason: str) -> bytes:
    return fixed32(1, outbox_id) + packed_unsigned(2, seqs.pack()) + text(3, reason)


def _words(field: int, words: "Mapping[str, str] | None") -> bytes:
    return b"".join(
        [_entry(field, text(1, key, True) + text(2, word, True)) for key, word in sorted((words or {}).items())]
    )


def _counts(field: int, counts: "Mapping[str, int] | None") -> bytes:
    return b"".join(
        [_entry(field, text(1, key, True) + unsigned(2, count, True)) for key, count in sorted((counts or {}).items())]
    )


def _entry(field: int, message: bytes) -> bytes:
    return octets(field, message, present=True)


def _optional_signed(field: int, number: "int | None") -> bytes:
    return unsigned(field, zigzag(number), present=True) if number is not None else b""
