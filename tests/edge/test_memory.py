"""What a box remembers outlives the process; a card that takes no writes costs no process."""

import sqlite3
import threading
from pathlib import Path

import pytest

from edge.memory import COUNTS_AHEAD, Memory, glance


def test_what_was_remembered_is_known_to_the_next_process(tmp_path: Path) -> None:
    before = Memory(tmp_path / "documents.db")
    assert before.recall("line", None) is None
    before.remember("line", [9600, "8N1"])
    before.remember("line", [38400, "8N1"])
    assert Memory(tmp_path / "documents.db").recall("line", None) == [38400, "8N1"]


def test_a_counter_never_gives_a_number_twice(tmp_path: Path) -> None:
    path, drawn = tmp_path / "documents.db", list[int]()

    def draw(memory: Memory) -> None:
        drawn.extend(memory.count_up("session") for _ in range(20))

    memory = Memory(path)
    threads = [threading.Thread(target=draw, args=(memory,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == list(range(1, 61))
    draw(Memory(path))
    draw(Memory(path))
    assert drawn[60:] == sorted(set(drawn[60:])) and drawn[60] > 60 and len(drawn) == 100


def test_numbers_are_promised_ahead_so_that_a_night_without_a_link_does_not_wear_the_card(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    memory = Memory(path)
    numbers = set()
    for _ in range(2 * COUNTS_AHEAD):
        memory.count_up("session")
        numbers.add(Memory(path).recall("session", 0))
    assert numbers == {COUNTS_AHEAD, 2 * COUNTS_AHEAD}


def test_worn_bits_in_a_document_cost_what_was_remembered_and_no_process(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    Memory(path).remember("line", [9600, "8N1"])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE documents SET body = replace(body, ':', ';')")
    connection.close()
    memory = Memory(path)
    assert memory.recall("line", None) is None
    memory.remember("line", [4800, "8N1"])
    assert Memory(path).recall("line", None) == [4800, "8N1"]
    assert (tmp_path / "documents.db.corrupt-1").exists()


def test_where_nothing_can_be_written_values_last_as_long_as_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = Memory(tmp_path / "file" / "documents.db")
    assert memory.count_up("session") == 1
    assert memory.count_up("session") == 2
    assert caplog.text.count("lasts until the next start") == 1


def test_a_glance_at_anothers_memory_makes_nothing_and_sets_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    assert glance(path, "learned", {}) == {} and not path.exists()
    Memory(path).remember("learned", {"gate": 1})
    assert glance(path, "learned", {}) == {"gate": 1}
    assert glance(path, "learned", []) == [], "of another type: a card's worn bits"
    path.write_bytes(b"x" * 4096)
    before = path.read_bytes()
    assert glance(path, "learned", {}) == {}
    assert path.read_bytes() == before and not list(tmp_path.glob("*.corrupt*"))
