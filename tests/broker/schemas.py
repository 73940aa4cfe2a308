"""Holding messages to the JSON Schemas that consumers get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import broker

FOLDER = Path(broker.__file__).parent / "schemas"
SCHEMAS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def check(stream: str, payload: bytes | bytearray) -> dict[str, Any]:
    """The message, when its schema holds and names all it has; else a jsonschema error or an assertion."""
    content: dict[str, Any] = json.loads(payload)
    Draft202012Validator(SCHEMAS[stream]).validate(content)
    assert set(content) == set(SCHEMAS[stream]["properties"])
    return content
