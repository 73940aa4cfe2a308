"""The file that a killed process left, of any content: what is taken from it becomes records that can be read."""

from __future__ import annotations

from collections.abc import Mapping

from edge.gps_unit.fix import Fix, to_columns
from edge.gps_unit.interval import OpenInterval, Waiting, _frame, rows
from fuzz.box import NOW_UTC_MS, Shelved, StillClock, recorder
from fuzz.claims import MENDED, check_place
from fuzz.forms import behind, json_changed, lines_changed
from fuzz.scratch import scratch
from wire.columns import HIGHEST, LOWEST

MAX_BYTES = 4096
form = behind(1, lines_changed(json_changed))


def hold(data: bytes) -> None:
    """The file as it is, or each line of it in a frame that checks; then the start of a gps_unit beside it."""
    content = b"".join(map(_framed, data[1:].split(b"\n"))) if data[:1] == bytes([MENDED]) else data
    folder = scratch("interval")
    (folder / "interval").write_bytes(content)
    left = OpenInterval(folder / "interval")
    assert left.number >= 0
    for run in rows(left.waiting):
        for each in run:
            for value, low, high in zip(to_columns(each.fix), LOWEST, HIGHEST, strict=True):
                assert value is None or low <= value <= high
    left.close()
    (folder / "interval").write_bytes(content)
    outbox = Shelved(last_interval=None)
    recording = recorder(folder, StillClock(), outbox)
    recording.begin()
    recording.take(_fix(0))
    recording.end()
    tracks = outbox.tracks()
    assert tracks[-1].times_ms[-1] == NOW_UTC_MS
    for track in tracks:
        for lat_e7, lon_e7 in zip(track.lat_e7, track.lon_e7, strict=True):
            check_place(lat_e7, lon_e7)
    again = OpenInterval(folder / "interval")
    assert again.waiting == []
    again.close()


def _framed(line: bytes) -> bytes:
    return _frame(line.decode("utf-8", "replace"))


def _fix(n: int, **more: object) -> Fix:
    values: dict[str, object] = {"speed_mps": 0.30000000000000004, "satellites": 9, **more}
    return Fix(
        utc_ms=NOW_UTC_MS + 1000 * n, time_of_day_ms=1000 * n, boottime_ms=5000 + 1000 * n,
        lat_deg=-6.2 + n / 1e5, lon_deg=106.8, **values,  # type: ignore[arg-type]
    )  # fmt: skip


def seeds() -> Mapping[str, bytes]:
    """Files as gps_unit writes them, of one boot and of two, torn and not; and their lines to be framed."""
    folder = scratch("interval-seeds")
    interval = OpenInterval(folder / "interval")
    interval.reconcile(3)
    for n in range(4):
        interval.add(Waiting(_fix(n, parked=n == 2), 7 if n else 6))
    interval.close()
    content = (folder / "interval").read_bytes()
    undated = "4\n[7,null,1000,5000,-6.2,106.8,null,null,null,null,null,false,false,false]"
    dated = "0\n[7,1795000000000,1000,5000,-6.2,106.8,12.5,3.5,350.25,0.9,9,true,false,true]"
    return {
        "whole": content,
        "torn": content[:-10],
        "undated-lines": bytes([MENDED]) + undated.encode(),
        "dated-lines": bytes([MENDED]) + dated.encode(),
        "another-version": bytes([MENDED]) + b'5\n{"lat":1}',
    }
