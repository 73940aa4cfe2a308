"""The balance, against a model that counts every seq by itself."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from broker.ledger import Account, balance
from wire.ranges import MAX_SEQ, Ranges

SEQS = st.sets(st.integers(1, 40))


def ranges(seqs: set[int], offset: int = 0) -> Ranges:
    out = Ranges()
    for seq in seqs:
        out.add(seq + offset)
    return out


def drawn(stored: set[int], shed: dict[str, set[int]], held: set[int], below_seq: int) -> Account:
    return balance(
        unit="u",
        outbox_id=1,
        stored=ranges(stored),
        shed={reason: ranges(seqs) for reason, seqs in shed.items()},
        held=ranges(held),
        below_seq=below_seq,
    )


@given(
    stored=SEQS,
    shed=st.dictionaries(st.sampled_from(["corrupt", "refused", "shed"]), SEQS),
    held=SEQS,
    below_seq=st.integers(0, 45),
)
@example(stored=set(), shed={}, held=set(), below_seq=0)
def test_every_seq_is_in_exactly_one_column_and_stored_beats_shed_beats_held(
    stored: set[int], shed: dict[str, set[int]], held: set[int], below_seq: int
) -> None:
    account = drawn(stored, shed, held, below_seq)
    gone = set().union(*shed.values())
    named = stored | gone | held
    produced = max([*named, below_seq - 1, 0])
    left = set(range(1, produced + 1)) - named
    missing = {seq for seq in left if seq < below_seq}
    assert account.produced == produced
    assert account.stored == len(stored)
    assert sum(account.shed_by_reason.values()) == len(gone - stored)
    assert account.held == len(held - gone - stored)
    assert {seq for first, last in account.missing for seq in range(first, last + 1)} == missing
    assert account.missing_count == len(missing)
    assert account.unjudged == len(left - missing)
    columns = account.stored + sum(account.shed_by_reason.values()) + account.held + account.missing_count
    assert account.produced == columns + account.unjudged


def test_without_a_health_record_nothing_is_judged() -> None:
    account = drawn({1, 9}, {}, set(), 0)
    assert (account.missing, account.unjudged) == ((), 7)


def test_a_seq_shed_for_two_reasons_counts_once() -> None:
    account = drawn(set(), {"shed": {1, 2}, "corrupt": {2, 3}}, set(), 4)
    assert account.shed_by_reason == {"corrupt": 2, "shed": 1}
    assert account.missing == ()


def test_seqs_near_2_to_the_63_and_a_hundred_thousand_gaps_balance() -> None:
    offset = MAX_SEQ - 400_000
    stored = Ranges([(1, offset)])
    for seq in range(offset + 2, MAX_SEQ, 4):
        stored.add(seq)
    account = balance(unit="u", outbox_id=1, stored=stored, shed={}, held=Ranges(), below_seq=MAX_SEQ)
    assert account.produced == MAX_SEQ - 1
    assert account.stored + account.missing_count == account.produced
    assert len(account.missing) == 100_001
