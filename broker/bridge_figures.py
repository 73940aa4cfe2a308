"""The bridge's figures: all of them, in the order an operator asks. Read from what the bridge counts anyway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from broker.desk import Fleet
from broker.figure import Figure, by, counter, gauge, histogram
from broker.lanes import Lanes
from broker.tally import Tally

# Counter of the bridge -> figure. Each is of rows, receipts or attempts, never of a unit.
_COUNTED: Final = {
    "conflict": (
        "pantau_bridge_conflict_rows_total", "Rows under a key that other bytes had: both stored, a card went back",
    ),
    "undecoded": ("pantau_bridge_undecoded_rows_total", "Rows stored whose body this centre cannot read"),
    "future": ("pantau_bridge_future_rows_total", "Rows stored whose date is more than a day after their arrival"),
    "refused_rows": ("pantau_bridge_refused_rows_total", "Rows whose check did not hold: not stored, the unit is told"),
    "refused_topic": ("pantau_bridge_refused_topics_total", "Parcels on a topic that is no unit's"),
    "store_unavailable": ("pantau_bridge_store_unavailable_total", "Attempts to commit that the store refused"),
    "faulty_notes": ("pantau_bridge_faulty_notes_total", "What the desk's own code stumbled over and left out"),
    "presence_unwritten": ("pantau_bridge_presence_unwritten_total", "Times presence.json could not be written"),
}  # fmt: skip
_MALFORMED: Final = "malformed: "


def bridge_figures(
    *,
    counters: Mapping[str, int],
    tally: Tally,
    lanes: Lanes,
    fleet: Fleet,
    slot_distance_s: float,
    connected: Mapping[str, bool],
    now_mono_s: float,
) -> list[Figure]:
    """All that the bridge counts, as of one moment."""
    return [
        *_rows(counters, tally),
        *_commits(tally, now_mono_s),
        *_queues(counters, lanes, slot_distance_s, now_mono_s),
        *_links(counters, fleet, connected),
    ]


def _rows(counters: Mapping[str, int], tally: Tally) -> Iterator[Figure]:
    yield counter(
        "pantau_bridge_rows_total", "Rows by lane and what became of them: stored, duplicate, poison",
        dict(tally.rows), "lane", "outcome",
    )  # fmt: skip
    yield counter("pantau_bridge_parcels_total", "Parcels read, by lane", by(dict(tally.parcels)), "lane")
    for name, (figure, text) in _COUNTED.items():
        yield counter(figure, text, counters.get(name, 0))
    # The reasons are the contract's own words, cut at the colon: a handful, whatever units send.
    malformed = {key.removeprefix(_MALFORMED): n for key, n in counters.items() if key.startswith(_MALFORMED)}
    yield counter(
        "pantau_bridge_malformed_total", "Parcels, births and states that break the contract, by reason",
        by(malformed), "reason",
    )  # fmt: skip


def _commits(tally: Tally, now_mono_s: float) -> Iterator[Figure]:
    yield histogram("pantau_bridge_commit_seconds", "One transaction with rows, inserts and sync", tally.commit_s)
    yield histogram("pantau_bridge_commit_rows", "Rows a transaction", tally.rows_a_commit)
    begun_s, committed_s = tally.begun_mono_s, tally.committed_mono_s
    yield gauge(
        "pantau_bridge_commit_running_seconds", "How long the running transaction has lasted, with retries; else 0",
        0 if begun_s is None else max(0.0, now_mono_s - begun_s),
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_since_commit_seconds", "Since rows were last committed; no sample before the first",
        None if committed_s is None else max(0.0, now_mono_s - committed_s),
    )  # fmt: skip


def _queues(counters: Mapping[str, int], lanes: Lanes, slot_distance_s: float, now_mono_s: float) -> Iterator[Figure]:
    of = {"live": lanes.live, "bulk": lanes.bulk}
    yield gauge(
        "pantau_bridge_queue_bytes", "Memory of the parcels that wait for a commit",
        by({name: lane.held_bytes for name, lane in of.items()}), "lane",
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_queue_limit_bytes", "Beyond this a lane drops; the bulk lane's follows the cost of a byte",
        by({name: lane.limit_bytes for name, lane in of.items()}), "lane",
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_queue_age_seconds", "How long the parcel whose turn is next has waited for a commit",
        by({name: lane.waited_s(now_mono_s) for name, lane in of.items()}), "lane",
    )  # fmt: skip
    yield counter(
        "pantau_bridge_dropped_parcels_total", "Parcels dropped at a full lane; their rows stay with the unit",
        by({name: lane.dropped for name, lane in of.items()}), "lane",
    )  # fmt: skip
    yield counter(
        "pantau_bridge_hogged_parcels_total", "Of the dropped parcels: their unit alone had as much waiting as one may",
        by({name: lane.hogged for name, lane in of.items()}), "lane",
    )  # fmt: skip
    yield counter(
        "pantau_bridge_dropped_notices_total", "Births, wills and states dropped at a full desk",
        counters.get("dropped_notices", 0),
    )  # fmt: skip
    yield counter(
        "pantau_bridge_dropped_words_total", "Results, reports and calls of a unit that had as many waiting as one may",
        counters.get("dropped_words", 0) + counters.get("crowded_words", 0),
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_number_distance_seconds", "How long a unit that draws a number now is told to wait",
        slot_distance_s,
    )  # fmt: skip


def _links(counters: Mapping[str, int], fleet: Fleet, connected: Mapping[str, bool]) -> Iterator[Figure]:
    yield counter(
        "pantau_bridge_receipts_total", "Receipts handed to the broker, or not for want of a connection",
        by({"sent": counters.get("receipts", 0), "unsent": counters.get("receipts_unsent", 0)}), "outcome",
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_connected", "1 while that connection to the broker stands", by(dict(connected)), "link"
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_units", "Units ever heard of, by whether their link stands",
        by({"online": fleet.online, "offline": fleet.offline}), "link",
    )  # fmt: skip
    yield gauge(
        "pantau_bridge_units_waiting_bytes", "Backlog that all units together last said they hold", fleet.waiting_bytes
    )  # fmt: skip
