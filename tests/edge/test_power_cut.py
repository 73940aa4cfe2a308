"""Power cuts on a simulated card: what append has returned is held, stored or named; and the card does bite.

The box is a real process and its file system a real mount (edge/sim/card.py says what it is and is not).
"""

from __future__ import annotations

import copy
import shutil
import signal
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from edge.outbox import POINTS
from edge.sim.card import SimulatedCard
from tests.edge.outbox_ledger import Key, rows
from tests.edge.test_outbox_killed import Told, balance, damage, run_until_killed, start
from tests.edge.test_outbox_schema import write_prototype

CUTS = 30
pytestmark = pytest.mark.timeout(600)  # dozens of processes and mounts each


def commits_then_cut(card: SimulatedCard, synchronous: str, seed: int) -> tuple[int, bool]:
    """SQLite alone, in WAL mode: (commits that are not there after a power cut, is the file damaged)."""
    path, luck = card.directory / f"{synchronous}-{seed}.db", Random(seed)
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=1024", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    card.sync()
    connection.execute(f"PRAGMA synchronous={synchronous}").fetchall()
    count = luck.randint(1, 80)
    for n in range(count):
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, luck.randbytes(luck.choice((40, 200, 1500)))))
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (-1, ?)", (luck.randbytes(luck.choice((40, 200_000))),))
    card.power_cut(luck)
    with suppress(sqlite3.Error):
        connection.close()
    connection = sqlite3.connect(path)
    try:
        sound = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = {n for (n,) in connection.execute("SELECT n FROM t")}
    except sqlite3.DatabaseError:
        return count, True
    finally:
        connection.close()
    assert -1 not in found, "what was not committed is not there"
    return len(set(range(count)) - found), not sound


def held(path: Path) -> set[Key]:
    return {(row.outbox_id, row.seq) for row in rows(path)}


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL", "OFF"])
def test_commits_survive_power_cuts_with_full_and_the_card_bites_without(card: SimulatedCard, synchronous: str) -> None:
    lives = [commits_then_cut(card, synchronous, seed) for seed in range(25)]
    lost, damaged = sum(lost > 0 for lost, _ in lives), sum(damaged for _, damaged in lives)
    if synchronous == "FULL":
        assert (lost, damaged) == (0, 0)
    elif synchronous == "NORMAL":
        assert lost > 5 and damaged == 0, "sqlite.org/pragma.html: consistent, not durable"
    else:
        assert lost > 5 and damaged > 0, "sqlite.org/pragma.html: may become corrupted"


@pytest.mark.slow
def test_power_cut_at_any_moment_again_and_again_nothing_is_lost(card: SimulatedCard) -> None:
    path, told, luck = card.directory / "outbox.db", Told(), Random(8)
    for seed in range(CUTS):
        child = start(path, seed)
        assert child.stdout is not None
        wanted = 0 if seed % 6 == 0 else luck.randint(1, 150)  # some of them before the file is made or read
        said = b"".join(child.stdout.readline() for _ in range(wanted))
        time.sleep(luck.uniform(0.0, 0.03 if wanted else 0.5))
        card.power_cut(luck, [child.pid])
        said += child.stdout.read()
        child.stdout.close()
        assert child.wait(60) == -signal.SIGKILL
        told.hear(said)
        if seed % 10 == 9:
            balance(path, told)
            card.sync()
    assert len(told.accepted) > 500
    assert rows(path)


@pytest.mark.parametrize("point", [p for p in POINTS if p.split(":")[0] in ("append", "settle", "shed", "ids")])
def test_power_cut_at_a_point_of_every_day_nothing_is_lost(card: SimulatedCard, point: str) -> None:
    path, told = card.directory / "outbox.db", Told()
    for seed, countdown in enumerate((1,) if point.startswith("ids") else (1, 2, 7)):  # ids: once in 4,000 records
        run_until_killed(path, told, seed, point, countdown)
        card.power_cut(Random(seed))
    balance(path, told)


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("salvage")])
def test_power_cut_in_salvage_it_is_done_again_and_nothing_is_lost_unnamed(card: SimulatedCard, point: str) -> None:
    made = card.directory / "made" / "outbox.db"
    made.parent.mkdir()
    before = Told()
    run_until_killed(made, before, 1, "append:committed", 500)
    damage(made, seed=1)
    calm = card.directory / "calm" / "outbox.db"
    shutil.copytree(made.parent, calm.parent)
    balance(calm, before)
    readable = {key for key in held(calm) if key in before.accepted}
    for seed in range(4):
        path, told = card.directory / str(seed) / "outbox.db", copy.deepcopy(before)
        shutil.copytree(made.parent, path.parent)
        card.sync()
        assert run_until_killed(path, told, 2, point, 1)
        card.power_cut(Random(seed))
        balance(path, told)
        assert readable <= held(path), "a power cut costs salvage no row"


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("upgrade")])
def test_power_cut_in_an_upgrade_the_backlog_is_kept(card: SimulatedCard, point: str) -> None:
    path, told = card.directory / "outbox.db", Told()
    told.accepted = write_prototype(path)
    card.sync()
    assert run_until_killed(path, told, 3, point, 1)
    card.power_cut(Random(3))
    balance(path, told)
