"""The bench of poles: what a day is put together from, what a node in a storm sends, when a pole is shown whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import poles
from bench.exchanges import Seen
from bench.pole import CAMERAS, names
from bench.pole_day import Day
from bench.pole_storm import weathered, whole
from bench.storming import OUTBOX_ID, greeting, verdicts
from bench.timed_node import WARM_LOOKS, Costs
from broker.clean import Message
from broker.live import Picture, moved, state_message
from broker.store import LogEntry
from stage.namespace import Counted
from wire import records_pb2
from wire.kinds import CLASS_STATUS

BOOTED_UTC_MS = 1_790_000_000_000


def day(**other: float) -> Day:
    parts = {"ping_bytes": 200.0, "health_bytes": 500.0, "verdict_bytes": 250.0, "picture_bytes": 16_000.0}
    return Day(**{**parts, "keepalive_s": 200.0, **other})


def test_a_day_in_words_is_pings_health_and_verdicts() -> None:
    # Of 18 keep-alives in an hour the last is the health record itself: 17 pings.
    assert (day().pings, day().healths, day().verdicts) == (24 * 17, 24, 8 * 4)
    assert day().words_bytes == 24 * 17 * 200 + 24 * 500 + 32 * 250
    assert day().bytes == day().words_bytes


def test_pictures_of_all_cameras_come_on_top_at_their_interval() -> None:
    assert day(picture_s=86_400.0).bytes - day().bytes == CAMERAS * 16_000
    assert day(picture_s=7 * 86_400.0).pictures == pytest.approx(CAMERAS / 7)


def test_a_link_that_carried_nothing_has_no_exchange_to_divide_by() -> None:
    assert Seen(0, Counted(0, 0, 0, 0)).each_bytes == 0.0
    assert Seen(4, Counted(600, 200, 5, 3)).each_bytes == 200.0


def test_a_look_costs_what_its_parts_cost_and_the_first_ones_do_not_count_as_the_processs() -> None:
    costs = Costs()
    judge, scale = costs.timed("judged", lambda: sum(range(20_000))), costs.timed("scaled", lambda words: words)
    assert scale("as it is") == "as it is"
    for _ in range(WARM_LOOKS):
        judge()
    with pytest.raises(ValueError, match="16 looks are too few"):
        costs.told()
    for _ in range(5):
        judge()
    told = costs.told()
    assert told["looks"] == 5
    assert told["process_ms"] >= told["judged_ms"] * 0.5 > 0.0


def test_a_part_that_raises_is_counted_and_raises() -> None:
    costs = Costs()

    def broken() -> None:
        raise LookupError("no frame")

    with pytest.raises(LookupError, match="no frame"):
        costs.timed("decoded", broken)()
    for _ in range(WARM_LOOKS + 1):
        costs.timed("judged", lambda: None)()
    assert costs.told()["decoded_ms"] >= 0.0


def test_a_node_says_its_start_and_then_each_camera_by_rows_without_a_gap() -> None:
    first = greeting(BOOTED_UTC_MS)
    rows = verdicts(names(), BOOTED_UTC_MS, first_seq=len(first) + 1)
    assert [row[0] for row in [*first, *rows]] == list(range(1, 3 + CAMERAS))
    said = [records_pb2.Camera.FromString(row[4]) for row in rows]
    assert [one.camera for one in said] == names()
    assert {one.verdict for one in said} == {"seeing"}


def entry(seq: int, kind: int, body: bytes) -> LogEntry:
    """That row as the store's log has it."""
    return LogEntry(
        log_id=seq,
        row_id=seq,
        revision=0,
        unit="pole-1",
        outbox_id=OUTBOX_ID,
        conflict=0,
        seq=seq,
        cls=CLASS_STATUS,
        kind=kind,
        body=body,
        utc_ms=BOOTED_UTC_MS,
        utc_to_ms=BOOTED_UTC_MS,
        time_doubt_s=None,
        stored_utc_ms=BOOTED_UTC_MS,
        flags=0,
        agency="transport",
        asset="pole-1",
        asset_kind="pole",
    )


def shown(count: int) -> Message:
    """The state of a pole whose first `count` cameras were heard, as the publisher makes it."""
    picture = Picture("transport", "pole-1")
    for seq, _, kind, _, body in verdicts(names()[:count], BOOTED_UTC_MS, first_seq=1):
        picture = moved(picture, entry(seq, kind, body), records_pb2.Camera.FromString(body))
    return state_message(picture)


def test_a_pole_is_shown_when_all_of_its_cameras_are_on_its_state() -> None:
    assert whole(shown(CAMERAS).payload) == "pole-1"
    assert whole(shown(CAMERAS - 1).payload) is None
    assert whole(b"") is None  # a cleared topic


def test_an_unknown_part_is_said_and_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert poles.main(["--part=nigth"]) == 2
    told = capsys.readouterr()
    assert told.err == "no part 'nigth' of poles: day, node, storm\n" and not told.out


@pytest.mark.slow
def test_a_small_storm_is_stored_shown_and_seen_by_who_asks(tmp_path: Path) -> None:
    storm = weathered(tmp_path, 6)
    assert len(storm.connected_s) == len(storm.shown_s) == 6
    assert storm.stored_s > 0.0 and storm.seeing == 6 * CAMERAS
    assert (storm.refused, storm.lost, storm.resent) == (0, 0, 0)
