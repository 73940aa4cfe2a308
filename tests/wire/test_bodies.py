"""Every body of a unit is what the official library would have written, and reads back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import encode, kinds, records_pb2
from wire.decode import decode_body
from wire.errors import PeerViolation
from wire.ranges import Ranges

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
sint32 = st.integers(-(2**31), 2**31 - 1)
sint64 = st.integers(-(2**63), 2**63 - 1)
stamps = st.tuples(st.none() | sint64, uint64, uint64)
counts = st.dictionaries(words, uint64, max_size=4)
sims = st.fixed_dictionaries(
    {"exhausted_utc_ms": st.none() | sint64},
    optional={
        **dict.fromkeys(("plan_bytes", "verdict_bytes", "snapshot_bytes", "live_bytes"), uint64),
        **dict.fromkeys(("backlog_bytes", "housekeeping_bytes"), uint64),
        "degree": uint32,
    },
)
ranges = st.lists(st.integers(1, 40), max_size=8).map(lambda seqs: Ranges((seq, seq) for seq in seqs))

BODIES: dict[int, st.SearchStrategy[dict[str, object]]] = {
    kinds.KIND_EVENT: st.fixed_dictionaries(
        {"at": stamps, "name": words, "lat_e7": st.none() | sint32, "lon_e7": st.none() | sint32},
        optional={"fix_age_s": uint32, "detail": st.dictionaries(words, words, max_size=4)},
    ),
    kinds.KIND_HEALTH: st.fixed_dictionaries(
        {"at": stamps, "holdings": st.lists(st.tuples(uint32, uint64, ranges), max_size=3)},
        optional={
            **dict.fromkeys(("rows", "bytes_on_disk", "oldest_age_s", "bytes_up_today", "bytes_down_today"), uint64),
            **dict.fromkeys(("shed_by_reason", "rejected_by_reason", "unobserved_by_reason"), counts),
            **dict.fromkeys(("disk_free_bytes", "uptime_s"), uint64),
            "reconnects_today": uint32,
            "cpu_decidegree_c": st.none() | sint32,
            "undervoltage": st.none() | st.booleans(),
            "firmware": words,
            "sim": st.none() | sims.map(lambda named: encode.sim(**named)),
        },
    ),
    kinds.KIND_CAMERA: st.fixed_dictionaries(
        {"at": stamps, "camera": words, "verdict": words},
        optional={
            **dict.fromkeys(("cause", "reason"), words),
            **dict.fromkeys(("frames_per_s_x100", "bitrate_kbps"), st.none() | uint32),
            "confidence_percent": uint32,
        },
    ),
    kinds.KIND_SNAPSHOT: st.fixed_dictionaries(
        {"at": stamps, "camera": words, "media_type": words, "image": st.binary(max_size=300)}, optional={"why": words}
    ),
    kinds.KIND_RESULT: st.fixed_dictionaries(
        {"at": stamps, "command_id": words, "ok": st.booleans()}, optional={"detail": words}
    ),
    kinds.KIND_REPORTED: st.fixed_dictionaries({"at": stamps, "version": uint64, "json": words}),
    kinds.KIND_TOMBSTONE: st.fixed_dictionaries(
        {"at": stamps, "gone": st.lists(st.tuples(uint32, ranges, words), max_size=3)}
    ),
    kinds.KIND_ANCHOR: st.fixed_dictionaries(
        {"boot_id": uint64, "boottime_ms": uint64, "utc_ms": sint64, "source": st.integers(0, 3)}
    ),
}


def stamp_message(at: tuple[int | None, int, int]) -> records_pb2.Stamp:
    return records_pb2.Stamp(utc_ms=at[0], boot_id=at[1], boottime_ms=at[2])


def official(kind: int, named: dict[str, object]) -> bytes:
    """The same body by the official library, from the same keyword arguments."""
    fields = dict(named)
    if "at" in fields:
        fields["at"] = stamp_message(fields["at"])  # type: ignore[arg-type]
    if "holdings" in fields:
        fields["holdings"] = [
            records_pb2.Holding(outbox_id=outbox_id, below_seq=below, held=held.pack())
            for outbox_id, below, held in fields["holdings"]  # type: ignore[attr-defined]
        ]
    if fields.get("sim") is not None:
        fields["sim"] = records_pb2.Sim.FromString(fields["sim"])  # type: ignore[arg-type]
    if "gone" in fields:
        fields["gone"] = [
            records_pb2.Gone(outbox_id=outbox_id, ranges=seqs.pack(), reason=reason)
            for outbox_id, seqs, reason in fields["gone"]  # type: ignore[attr-defined]
        ]
    message = getattr(records_pb2, kinds.KIND_NAMES[kind].capitalize())(**fields)
    return bytes(message.SerializeToString(deterministic=True))


@pytest.mark.parametrize("kind", BODIES)
@given(data=st.data())
def test_a_body_is_the_official_librarys(kind: int, data: st.DataObject) -> None:
    named = data.draw(BODIES[kind])
    body = getattr(encode, kinds.KIND_NAMES[kind])(**named)
    wanted = official(kind, named)
    assert decode_body(kind, body) == decode_body(kind, wanted)
    assert len(body) == len(wanted)
    if all(len(value) < 2 for value in named.values() if isinstance(value, dict)):
        assert body == wanted  # the order of a map's entries is nobody's promise; ours is sorted


modems = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("model", "state", "registration", "operator", "cell", "iccid"), words),
        **dict.fromkeys(("rsrp_dbm", "rsrq_db", "sinr_db"), st.none() | sint32),
        **dict.fromkeys(("steps", "helped"), counts),
    },
)


@given(modems)
def test_a_modem_in_a_health_record_is_the_official_librarys(said: dict[str, Any]) -> None:
    body = encode.health(at=(1, 2, 3), holdings=[], modem=encode.modem(**said))
    wanted = records_pb2.Health(at=stamp_message((1, 2, 3)), modem=records_pb2.Modem(**said))
    assert records_pb2.Health.FromString(body) == wanted
    assert len(body) == len(wanted.SerializeToString())


@given(sims)
def test_what_the_sim_carried_is_the_official_librarys(named: dict[str, int | None]) -> None:
    assert encode.sim(**named) == records_pb2.Sim(**named).SerializeToString(deterministic=True)  # type: ignore[arg-type]


@given(st.integers(0, 8), st.binary(max_size=100))
def test_a_garbage_body_is_read_or_a_violation(kind: int, body: bytes) -> None:
    try:
        decode_body(kind, body)
    except PeerViolation:
        return


@pytest.mark.parametrize("kind", [9, 2**31 - 1, -1])
def test_a_kind_of_a_newer_contract_is_a_violation(kind: int) -> None:
    with pytest.raises(PeerViolation, match="kind"):
        decode_body(kind, b"")


def test_an_unknown_clock_and_a_clock_at_zero_differ() -> None:
    unknown = decode_body(kinds.KIND_EVENT, encode.event(at=(None, 7, 5), name="panic"))
    zero = decode_body(kinds.KIND_EVENT, encode.event(at=(0, 7, 5), name="panic"))
    assert isinstance(unknown, records_pb2.Event)
    assert isinstance(zero, records_pb2.Event)
    assert (unknown.at.HasField("utc_ms"), zero.at.HasField("utc_ms")) == (False, True)
