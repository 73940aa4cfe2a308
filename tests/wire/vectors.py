"""What both Pythons compute and print, a line a vector: run by test_micropython.py. Portable like what it runs."""

import sys

sys.path.insert(0, sys.argv[1])

from wire import encode, topics
from wire.columns import encode_track
from wire.errors import PantauError, PeerViolation
from wire.ranges import Ranges
from wire.receipt import decode_receipt
from wire.thin import thin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wire.columns import Fix8

_NOISE_FACTOR = 1103515245  # the linear congruence of ISO C's rand: the same numbers on every Python


def noise(count: int, seed: int) -> list[int]:
    """`count` numbers 0 .. 32767."""
    out = []
    for _ in range(count):
        seed = (seed * _NOISE_FACTOR + 12345) % (1 << 31)
        out.append(seed >> 16)
    return out


def drive(count: int, seed: int) -> "list[Fix8]":
    """A drive with every oddity a column can have."""
    fixes: list[Fix8] = []
    rolls = noise(6 * count, seed)
    lat, lon = -61754000, 1799999000 if seed % 2 else 1068272000
    for i in range(count):
        a, b, c, d, e, f = rolls[6 * i : 6 * i + 6]
        lat += a % 2000 - 1000
        lon = (lon + b % 2000 - 1000 + 1800000000) % 3600000000 - 1800000000
        known = (c % 9000 - 500, d % 3000, (e * 7) % 36001, f % 400, f % 30)
        alt, speed, course, hdop, sats = [None if (a + n * seed) % 5 == 0 else v for n, v in enumerate(known)]
        fixes.append((1800000000000 + 1000 * i + f % 3, lat, lon, alt, speed, course, hdop, sats))
    return fixes


def show(name: str, value: object) -> None:
    """One line on stdout."""
    print(name, value.hex() if isinstance(value, bytes) else value)  # noqa: T201


def tracks() -> None:
    for seed in range(12):
        fixes = drive(1 + seed * 7, seed)
        show("lossless", encode_track(fixes))
        show("quantised", encode_track(fixes, scales=(3, 1, 2, 1, 2, 1), observed=500, parked=seed % 2 == 0))
        show("boot", encode_track(fixes, boot_id=(1 << 63) + seed, estimated=[0]))
        show("thin", thin([fix[:3] for fix in fixes], 2.5 + 50 * seed))


def bodies() -> None:
    at = (1800000000123, (1 << 64) - 1, 99)
    body = encode.health(
        at=at,
        holdings=[(4000000000, 1 << 40, Ranges([(1, 3), (7, 7), (100, 1 << 39)]))],
        rows=7,
        shed_by_reason={"full": 3, "a": 0},
        cpu_decidegree_c=-5,
        undervoltage=False,
        firmware="pantau 0.1",
    )
    show("health", body)
    show("event", encode.event(at=(None, 1, 0), name="panic é", lat_e7=-1, lon_e7=0, detail={"b": "", "a": "x"}))
    show("camera", encode.camera(at=at, camera="pole-1", verdict="dark", frames_per_s_x100=0))
    show("snapshot", encode.snapshot(at=at, camera="pole-1", media_type="image/jpeg", image=bytes(range(256)) * 3))
    show("result", encode.result(at=at, command_id="c1", ok=True))
    show("reported", encode.reported(at=at, version=3, json="{}"))
    show("tombstone", encode.tombstone(at=at, gone=[(1, Ranges([(5, 9)]), "shed"), (2, Ranges(), "corrupt")]))
    show("anchor", encode.anchor(boot_id=5, boottime_ms=6, utc_ms=-7, source=1))
    rows = [(9, 0, 2, encode.check(body), body), (4, 1, 1, 0xFFFFFFFF, b""), (1 << 62, 4, 7, 0, b"x")]
    show("parcel", encode.parcel(77, rows, waiting_bytes=1 << 33, session=3, boot_id=4, sent_boottime_ms=5))
    show("packed", encode.packed_parcel(77, encode.rows_message(rows)))


def receipts() -> None:
    payload = bytes.fromhex(
        "0d04030201120401030301" + "1a080100000002000000" + "20b960" + "3000" + "38014009" + "4a0105"
    )
    read = decode_receipt(payload)
    show("receipt", (read.outbox_id, list(read.ranges), read.checks, read.utc_ms, read.bulk_after_ms, read.refused))
    for end in range(len(payload)):
        try:
            show("cut", list(decode_receipt(payload[:end]).ranges))
        except PeerViolation as error:
            show("cut", str(error) + str(isinstance(error, PantauError)))


def ranges() -> None:
    held = Ranges()
    rolls = noise(120, 5)
    for first, length in zip(rolls[::2], rolls[1::2]):  # noqa: B905
        if length % 3:
            held.add(1 + first % 300, 1 + first % 300 + length % 9)
        else:
            held.remove(1 + first % 300, 1 + first % 300 + length % 40)
    show("ranges", (held.pack(), held.count(), held.highest(), 7 in held))
    show("minus", held.minus(Ranges([(50, 90)])).union(Ranges([(400, 401)])))


def names() -> None:
    show("topics", (topics.up("amb-7"), topics.city("damkar", "unassigned-a", "state")))
    show("parsed", (topics.parse_unit_topic("pantau/v1/amb-7/down/receipt"), topics.parse_unit_topic("a/b")))
    show("valid", [topics.valid_unit(name) for name in ("a", "bridge-1", "citizen", "-a", "a" * 32, "")])


for part in (tracks, bodies, receipts, ranges, names):
    part()
