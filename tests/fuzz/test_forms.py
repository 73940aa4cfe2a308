"""Changes that keep the form: what was JSON or a message still is one, and is another one."""

from __future__ import annotations

import json
from random import Random

import pytest

from fuzz.forms import Mutation, fields_changed, json_changed
from fuzz.targets import names, target
from wire import records_pb2
from wire.fields import read_fields

ROUNDS = 300


def test_json_stays_json_and_becomes_every_type() -> None:
    random, birth = Random(1), b'{"online": true, "session": 6, "firmware": "0.1", "places": [1, [2]]}'
    changed = [json.loads(json_changed(birth, random).decode("utf-8", "surrogatepass")) for _ in range(ROUNDS)]
    sessions = {type(one.get("session")) for one in changed if isinstance(one, dict)}
    assert sessions >= {int, float, str, bool, type(None), list, dict}
    assert any("\ud800" in str(one) for one in changed)


def test_a_message_stays_a_message_at_any_depth() -> None:
    random = Random(1)
    message = records_pb2.Health(rows=3, holdings=[records_pb2.Holding(outbox_id=7, below_seq=9, held=[1, 5, 3, 1])])
    data = message.SerializeToString()
    changed = [fields_changed(data, random) for _ in range(ROUNDS)]
    assert all(read_fields(one) is not None for one in changed)
    read = [records_pb2.Health.FromString(one) for one in changed if one and _readable(one)]
    assert len(read) > ROUNDS / 2
    assert {tuple(holding.held) for one in read for holding in one.holdings} > {(1, 5, 3, 1)}


def _readable(data: bytes) -> bool:
    try:
        records_pb2.Health.FromString(data)
    except Exception:  # noqa: BLE001 (a doubled or moved field may be of another type)
        return False
    return True


def test_what_is_not_of_the_form_is_said_to_be_so() -> None:
    for change, data in ((json_changed, b"{"), (json_changed, b"[" * 100_000), (fields_changed, b"\x08")):
        with pytest.raises(ValueError, match=r".*"):
            change(data, Random(1))


@pytest.mark.parametrize("name", [name for name in names() if hasattr(target(name), "form")])
def test_each_form_changes_most_of_its_targets_seeds(name: str) -> None:
    one, random = target(name), Random(1)
    form: Mutation = one.form  # type: ignore[attr-defined]
    of_form = 0
    for data in one.seeds().values():
        try:
            of_form += any(form(data, random) != data for _ in range(20))
        except ValueError:
            continue
    assert of_form >= len(one.seeds()) / 2
