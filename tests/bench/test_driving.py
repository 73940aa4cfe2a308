"""What a bench says into a port is what it counts: no field of a real drive is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.drives import Fix8
from bench.driving import endless, record, say, spoken
from edge.gps_unit.fix import EpochAssembler, to_columns
from edge.gps_unit.nmea import Framer
from edge.outbox import OutboxReader
from wire.decode import decode_track

DRIVE: list[Fix8] = [
    (1_790_000_000_000 + 1000 * i, -62_000_000 + 97 * i, 1_068_000_000 + 53 * i, 1234 + i, 987, 35_999, 120, 9)
    for i in range(25)
]


def heard(fixes: Iterator[Fix8]) -> list[tuple[int | None, ...]]:
    framer, epochs = Framer(), EpochAssembler()
    found = [epochs.feed(sentence) for fix in fixes for sentence in framer.feed(say(fix))]
    return [to_columns(fix) for fix in [*found, epochs.flush()] if fix is not None]


@given(
    st.tuples(
        st.integers(1_000_000_000_000, 2_000_000_000_000),
        st.integers(-899_999_999, 899_999_999).filter(lambda lat_e7: abs(lat_e7) > 1_000),  # 0,0 is nowhere (I5)
        st.integers(-1_799_999_999, 1_799_999_999),
        st.none() | st.integers(-10_000, 900_000),
        st.none() | st.integers(0, 10_000),
        st.none() | st.integers(0, 35_999),
        st.none() | st.integers(10, 4_000),
        st.none() | st.integers(1, 40),
    )
)
def test_a_fix_said_is_the_fix_heard(fix: Fix8) -> None:
    assert heard(iter([fix])) == [fix]


def test_drives_without_end_keep_their_pace_and_never_go_back() -> None:
    fixes = list(islice(endless([DRIVE], 1_800_000_000_000), 60))
    assert [fix[0] for fix in fixes] == [1_800_000_000_000 + 1000 * i for i in range(60)]
    assert [epoch.at_s for epoch in spoken(iter(fixes))] == [float(i) for i in range(60)]


def test_a_recorded_backlog_holds_every_fix_ten_to_a_row(tmp_path: Path) -> None:
    record(tmp_path / "outbox.db", DRIVE, quantum="lossless", tolerance_m=0.0)
    reader = OutboxReader(tmp_path / "outbox.db")
    tracks = [decode_track(row.body) for row in reader.above(0, 100)]
    reader.close()
    assert [len(track.times_ms) for track in tracks] == [10, 10, 5]
    assert [time_ms for track in tracks for time_ms in track.times_ms] == [fix[0] for fix in DRIVE]
