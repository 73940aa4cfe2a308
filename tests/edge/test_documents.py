"""TinyDB's own behaviour, kept: every operation gives what MemoryStorage gives, and what it leaves is on disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB, where
from tinydb.operations import delete, increment
from tinydb.storages import MemoryStorage
from tinydb.table import Document

from edge.documents import open_documents

NAMES = st.sampled_from(("_default", "shadow", "counters"))
NUMBERS = st.integers(0, 4)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3)
CONDITIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda key, number: where(key) == number, st.sampled_from("abc"), NUMBERS),
    st.builds(lambda key, number: where(key) > number, st.sampled_from("abc"), NUMBERS),
    st.builds(lambda key: Query()[key].exists(), st.sampled_from("abc")),
    st.builds(lambda number: ~(where("a") == number) | (where("b") < 2), NUMBERS),
)
IDS = st.lists(st.integers(1, 8), max_size=3)
STEPS: st.SearchStrategy[Callable[[Any], Any]] = st.one_of(
    st.builds(lambda document: lambda t: t.insert(dict(document)), DOCUMENTS),
    st.builds(lambda some: lambda t: t.insert_multiple([dict(d) for d in some]), st.lists(DOCUMENTS, max_size=3)),
    st.builds(lambda d, i: lambda t: t.insert(Document(dict(d), i)), DOCUMENTS, st.integers(1, 12)),
    st.builds(lambda fields, cond: lambda t: sorted(t.update(dict(fields), cond)), DOCUMENTS, CONDITIONS),
    st.builds(lambda fields, ids: lambda t: t.update(dict(fields), doc_ids=ids), DOCUMENTS, IDS),
    st.builds(lambda fields: lambda t: t.update(dict(fields)), DOCUMENTS),
    st.builds(lambda cond: lambda t: t.update(delete("a"), cond & where("a").exists()), CONDITIONS),
    st.builds(lambda cond: lambda t: t.update(increment("b"), cond & where("b").exists()), CONDITIONS),
    st.builds(
        lambda d, c: lambda t: t.update_multiple([(dict(d), c), ({"c": 1}, where("a") == 1)]), DOCUMENTS, CONDITIONS
    ),
    st.builds(lambda document, cond: lambda t: t.upsert(dict(document), cond), DOCUMENTS, CONDITIONS),
    st.builds(lambda d, i: lambda t: t.upsert(Document(dict(d), i)), DOCUMENTS, st.integers(1, 12)),
    st.builds(lambda cond: lambda t: t.remove(cond), CONDITIONS),
    st.builds(lambda ids: lambda t: t.remove(doc_ids=ids), IDS),
    st.builds(lambda cond: lambda t: t.search(cond), CONDITIONS),
    st.builds(lambda cond: lambda t: t.get(cond), CONDITIONS),
    st.builds(lambda number: lambda t: t.get(doc_id=number), st.integers(1, 8)),
    st.builds(lambda ids: lambda t: t.get(doc_ids=ids), IDS),
    st.builds(lambda number: lambda t: t.contains(doc_id=number), st.integers(1, 8)),
    st.builds(lambda cond: lambda t: (t.count(cond), t.contains(cond), len(t)), CONDITIONS),
    st.just(lambda t: t.truncate()),
)


def outcome(step: Callable[[Any], Any], table: Any) -> Any:
    try:
        result = step(table)
    except (ValueError, KeyError, RuntimeError) as error:
        return type(error)
    return with_ids(result)


def with_ids(result: Any) -> Any:
    if isinstance(result, Document):
        return result.doc_id, dict(result)
    return [with_ids(one) for one in result] if isinstance(result, list) else result


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(NAMES, STEPS), max_size=25))
def test_every_operation_gives_what_tinydb_gives_and_a_reopened_file_has_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Callable[[Any], Any]]]
) -> None:
    path = tmp_path_factory.mktemp("documents") / "documents.db"
    model, ours = TinyDB(storage=MemoryStorage), open_documents(path)
    for name, step in steps:
        assert outcome(step, ours.table(name)) == outcome(step, model.table(name))
        assert [with_ids(d) for d in ours.table(name)] == [with_ids(d) for d in model.table(name)]
    assert ours.tables() == model.tables()
    ours.close()
    ours = open_documents(path)
    for name in model.tables():
        assert [with_ids(d) for d in ours.table(name)] == [with_ids(d) for d in model.table(name)]
    ours.close()


def test_dropping_tables_is_tinydbs(tmp_path: Path) -> None:
    documents = open_documents(tmp_path / "d.db")
    documents.table("a").insert({"n": 1})
    documents.table("b").insert({"n": 2})
    documents.drop_table("a")
    assert documents.tables() == {"b"}
    assert documents.table("b").all() == [{"n": 2}]
    documents.drop_tables()
    assert documents.tables() == set()
    documents.close()


def test_a_transaction_is_all_or_nothing_over_tables(tmp_path: Path) -> None:
    documents = open_documents(tmp_path / "d.db")
    documents.insert({"n": 1})
    with pytest.raises(ZeroDivisionError), documents.transaction():
        documents.insert({"n": 2})
        documents.table("other").insert({"n": 3})
        assert documents.count(where("n") >= 1) == 2
        raise ZeroDivisionError
    assert documents.all() == [{"n": 1}]
    assert documents.count(where("n") >= 1) == 1
    assert documents.tables() == {"_default"}
    documents.close()


def test_an_update_that_raises_half_way_changes_nothing(tmp_path: Path) -> None:
    documents = open_documents(tmp_path / "d.db")
    documents.insert_multiple([{"n": 1}, {"n": 2}, {"m": 3}])
    with pytest.raises(KeyError):
        documents.update(increment("n"))
    assert documents.all() == [{"n": 1}, {"n": 2}, {"m": 3}]
    documents.close()


def test_a_reader_in_another_process_sees_changes_through_its_query_cache(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    writer, reader = open_documents(path), open_documents(path)
    writer.insert({"n": 1})
    assert reader.search(where("n") == 1) == [{"n": 1}]
    writer.update({"n": 2})
    assert reader.search(where("n") == 1) == []
    writer.close()
    reader.close()


def test_an_insert_writes_one_document_whatever_the_size_of_the_table(tmp_path: Path) -> None:
    documents = open_documents(tmp_path / "d.db")
    documents.insert_multiple({"n": n, "text": "x" * 200} for n in range(5_000))
    (before,) = documents.storage.connection.execute("SELECT total_changes()").fetchone()  # type: ignore[attr-defined]
    documents.insert({"n": 5_000})
    documents.update({"n": 0}, doc_ids=[17])
    (after,) = documents.storage.connection.execute("SELECT total_changes()").fetchone()  # type: ignore[attr-defined]
    assert after - before <= 4
    documents.close()


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    code = (
        "import os, signal, sys; from pathlib import Path; from edge.documents import open_documents\n"
        "d = open_documents(Path(sys.argv[1])); d.insert({'session': 7}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    documents = open_documents(path)
    assert documents.all() == [{"session": 7}]
    documents.close()


@pytest.mark.parametrize("damage", ["no database", "a page"])
def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "d.db"
    documents = open_documents(path)
    documents.insert_multiple({"n": n} for n in range(500))
    documents.close()
    if damage == "no database":
        path.write_bytes(os.urandom(8192))
    else:
        with path.open("r+b") as file:
            file.seek(2048)
            file.write(os.urandom(4096))
    documents = open_documents(path)
    assert documents.set_aside == tmp_path / "d.db.corrupt-1"
    assert documents.set_aside.exists()
    assert documents.insert({"n": 1}) == 1
    documents.close()
    documents = open_documents(path)
    assert documents.set_aside is None
    assert documents.all() == [{"n": 1}]
    documents.close()


def test_a_busy_file_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    open_documents(path).close()
    with sqlite3.connect(path) as other:
        (version,) = other.execute("PRAGMA user_version").fetchone()
    other.close()
    assert version == 0
    path.chmod(0o000)
    if os.access(path, os.R_OK):
        path.chmod(0o600)
        assert open_documents(path).set_aside is None
        return
    with pytest.raises(sqlite3.OperationalError):
        open_documents(path)
