"""What a person orders: kept with who and when, answered once, and refused when no unit could do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.downlink import Downlink
from broker.orders import LONGEST_GOOD_FOR_S, OrderRefused, order

NOW_MS = 1_800_000_000_000


@pytest.fixture
def downlink(tmp_path: Path) -> Iterator[Downlink]:
    with Downlink(tmp_path / "downlink.db") as opened:
        yield opened


def test_an_order_waits_for_its_unit_and_who_gave_it_is_kept(downlink: Downlink) -> None:
    made = order(downlink, "amb-1", "burst", ["5"], who="rini", now_utc_ms=NOW_MS, good_for_s=60)
    assert downlink.open_commands(NOW_MS, "amb-1") == [made]
    assert made.arguments == {"minutes": 5}
    assert made.expires_utc_ms == NOW_MS + 60_000
    (asked,) = downlink.asked("amb-1", 10)
    assert (asked.who, asked.what) == ("rini", "command")
    assert made.id in asked.told


@pytest.mark.parametrize(
    ("verb", "words", "arguments"),
    [
        (
            "live",
            ["gate", "rtsps://view.city/1", "60"],
            {"camera": "gate", "url": "rtsps://view.city/1", "lease_s": 60},
        ),
        ("live_end", ["gate"], {"camera": "gate"}),
        ("snapshot", ["gate"], {"camera": "gate"}),
        ("accept_view", ["gate"], {"camera": "gate"}),
        ("camera_mended", ["gate"], {"camera": "gate"}),
        ("updating", ["gate", "30"], {"camera": "gate", "minutes": 30}),
    ],
)
def test_what_a_camera_node_does_can_be_ordered(
    downlink: Downlink, verb: str, words: list[str], arguments: dict[str, object]
) -> None:
    made = order(downlink, "pole-1", verb, words, who="rini", now_utc_ms=NOW_MS)
    assert made.arguments == arguments


def test_what_lets_into_a_live_view_is_sent_and_then_known_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "downlink.db"
    url = "rtsps://view.city:8322/in/4f1dbeef?token=hunter2"
    with Downlink(path) as downlink:
        answered = order(downlink, "pole-1", "live", ["gate", url, "60"], who="rini", now_utc_ms=NOW_MS)
        assert url.encode() in answered.encode() and downlink.open_commands(NOW_MS)[0].arguments["url"] == url
        downlink.finished("pole-1", answered.id, ok=True, detail="live view for 60 s", utc_ms=NOW_MS)
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"hunter2" not in kept and b"4f1dbeef" not in kept
        late = order(downlink, "pole-1", "live", ["gate", url, "60"], who="rini", now_utc_ms=0)
        assert downlink.open_commands(0)[0].arguments["url"] == url, "sent until it has expired"
        order(downlink, "pole-1", "ping", [], who="rini", now_utc_ms=NOW_MS)
        assert downlink.open_commands(0)[0].id == late.id
        assert downlink.open_commands(0)[0].arguments["url"] == "rtsps://view.city:8322/..."
        live = [asked.told for asked in downlink.asked("pole-1", 10) if "gate" in asked.told]
        assert len(live) == 2 and all('"rtsps://view.city:8322/..."' in told for told in live)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"hunter2" not in kept and b"4f1dbeef" not in kept


@pytest.mark.parametrize(
    ("unit", "verb", "words", "said"),
    [
        ("amb-1", "shell", ["rm"], "no such verb"),
        ("amb-1", "burst", [], "minutes"),
        ("amb-1", "burst", ["long"], "invalid literal"),
        ("amb-1", "ping", ["twice"], "no arguments"),
        ("pole-1", "live", ["gate", "rtsps://view.city/1"], "camera, url, lease_s"),
        ("Amb 1", "ping", [], "no unit's name"),
    ],
)
def test_what_no_unit_could_do_is_refused_and_not_sent(
    downlink: Downlink, unit: str, verb: str, words: list[str], said: str
) -> None:
    with pytest.raises(OrderRefused, match=said):
        order(downlink, unit, verb, words, who="rini", now_utc_ms=NOW_MS)
    assert downlink.open_commands(0) == []


def test_a_command_can_not_be_good_for_ever(downlink: Downlink) -> None:
    with pytest.raises(OrderRefused):
        order(downlink, "amb-1", "ping", [], who="rini", now_utc_ms=NOW_MS, good_for_s=LONGEST_GOOD_FOR_S + 1)


def test_only_the_units_own_first_answer_counts(downlink: Downlink) -> None:
    made = order(downlink, "amb-1", "ping", [], who="rini", now_utc_ms=NOW_MS)
    downlink.finished("fire-1", made.id, ok=True, detail="mine", utc_ms=NOW_MS)
    assert downlink.answer(made.id) is None
    downlink.finished("amb-1", made.id, ok=True, detail="pong", utc_ms=NOW_MS + 1)
    downlink.finished("amb-1", made.id, ok=False, detail="again", utc_ms=NOW_MS + 2)
    answer = downlink.answer(made.id)
    assert answer is not None
    assert (answer.ok, answer.detail) == (True, "pong")
    assert downlink.open_commands(NOW_MS) == []


def test_two_changes_of_one_document_both_stand(downlink: Downlink) -> None:
    downlink.change("amb-1", lambda document: {**document, "report": {"interval_s": 5}}, who="rini")
    made = downlink.change("amb-1", lambda document: {**document, "uplink": {"bulk_bytes_per_s": 900}}, who="adi")
    assert made.version == 2
    assert made.document == {"report": {"interval_s": 5}, "uplink": {"bulk_bytes_per_s": 900}}
    assert [asked.who for asked in downlink.asked("amb-1", 10)] == ["adi", "rini"]


def test_an_older_report_that_comes_late_does_not_count(downlink: Downlink) -> None:
    downlink.reported("amb-1", 2, '{"state":"applied"}', utc_ms=NOW_MS)
    downlink.reported("amb-1", 1, '{"state":"refused"}', utc_ms=NOW_MS + 1)
    report = downlink.report("amb-1")
    assert report is not None
    assert (report.version, report.told) == (2, '{"state":"applied"}')
