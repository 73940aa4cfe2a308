"""What a box remembers outlives the process; a card that takes no writes costs no process."""

import threading
from pathlib import Path

import pytest

from edge.memory import Memory


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
    draw(Memory(path))
    assert sorted(drawn) == list(range(1, 81))


def test_where_nothing_can_be_written_values_last_as_long_as_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = Memory(tmp_path / "file" / "documents.db")
    assert memory.count_up("session") == 1
    assert memory.count_up("session") == 2
    assert memory.recall("session", 0) == 2
    assert caplog.text.count("lasts until the next start") == 1
