"""docs/records.md lists every event and every reason that occurs in the box's code, and none that does not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "records.md").read_text("utf-8")
COUNTERS = re.compile(r"_?(rejected|unobserved)")
SAYS_EVENT = {"happened", "alarm", "event"}
GIVES_REASON = {"judge", "_judge", "_reason"}


def words(node: ast.AST | None) -> set[str]:
    """The strings that an expression may be."""
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def in_call(call: ast.Call) -> set[str]:
    name, first = name_of(call.func), call.args[0] if call.args else None
    of = name_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if name in SAYS_EVENT or name == "_reject":
        return words(first)
    if name == "append" and of == "events" and isinstance(first, ast.Tuple):
        return words(first.elts[0])
    if name == "update" and COUNTERS.fullmatch(of):
        return {keyword.arg for keyword in call.keywords if keyword.arg}
    return set()


def said(tree: ast.AST) -> Iterator[str]:
    """Names of events and reasons where code says them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and COUNTERS.fullmatch(name_of(node.value)):
            yield from words(node.slice)
        elif isinstance(node, ast.Call):
            yield from in_call(node)
        elif isinstance(node, ast.FunctionDef) and node.name in GIVES_REASON:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return):
                    yield from words(inner.value)


def gone() -> set[str]:
    """The reasons of tombstones: the upper-case words of edge/tombstones.py."""
    tree = ast.parse((ROOT / "edge" / "tombstones.py").read_text("utf-8"))
    return {word for node in tree.body if isinstance(node, ast.AnnAssign) for word in words(node.value)}


def in_code() -> set[str]:
    files = [file for file in (ROOT / "edge").rglob("*.py") if "sim" not in file.parts]
    return {word for file in files for word in said(ast.parse(file.read_text("utf-8")))} | gone()


def in_document() -> set[str]:
    """The words of the tables' first columns."""
    rows = re.findall(r"^\| (`[^|]*) \|", DOCUMENT, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([a-z_]+)`", row)}


def test_the_code_is_found() -> None:
    assert {"boot", "fix_lost", "outbox_salvaged", "bad_checksum", "jump", "link_refused", "receipt_date"} <= in_code()


def test_every_event_and_reason_is_in_the_document() -> None:
    assert in_code() - in_document() == set()


def test_the_document_names_none_that_is_gone() -> None:
    assert in_document() - in_code() == set()
