"""One contract: the .proto, what is generated of it, and the numbers a box without the library uses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from wire import columns, kinds, records_pb2

WIRE = Path(kinds.__file__).parent
PORTABLE = ("columns", "encode", "errors", "fields", "kinds", "ranges", "receipt", "thin", "topics")
ON_A_BOARD = {"binascii", "math"}  # what the portable modules may import of MicroPython


def serialized(generated: Path) -> str:
    """The line that holds the contract; the rest differs with the compiler's version."""
    return next(line for line in generated.read_text().splitlines() if "AddSerializedFile" in line)


def test_the_generated_module_is_that_of_the_contract(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not here: records_pb2.py not compared")
    assert protoc.main(["protoc", f"-I{WIRE}", f"--python_out={tmp_path}", str(WIRE / "records.proto")]) == 0
    assert serialized(WIRE / "records_pb2.py") == serialized(tmp_path / "records_pb2.py")


def test_the_numbers_are_those_of_the_contract() -> None:
    for enum in (records_pb2.Kind, records_pb2.Class, records_pb2.Anchor.Source):
        assert dict(enum.items()) == {name: getattr(kinds, name) for name, _ in enum.items()}
    for enum, prefix, names in (
        (records_pb2.Kind, "KIND_", kinds.KIND_NAMES),
        (records_pb2.Class, "CLASS_", kinds.CLASS_NAMES),
    ):
        assert names == {value: name.removeprefix(prefix).lower() for name, value in enum.items()}


def test_the_columns_are_those_of_the_contract() -> None:
    names = ("time", "lat", "lon", "alt", "speed", "course", "hdop", "sats")
    fields = records_pb2.Track.DESCRIPTOR.fields_by_name
    assert [fields[name].number - columns.FIRST_FIELD for name in names] == list(range(columns.COLUMNS))


@pytest.mark.parametrize("module", PORTABLE)
def test_a_portable_module_imports_only_what_a_board_has(module: str) -> None:
    tree = ast.parse((WIRE / f"{module}.py").read_text())
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    ours = {f"wire.{name}" for name in PORTABLE} | {"wire"}
    assert imported <= ours | ON_A_BOARD
