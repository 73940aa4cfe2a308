"""What the end-to-end tests of a camera pole share: its plan, and what the centre was told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broker.store import open_store
from stage.city import City, UnitPlan
from wire import records_pb2
from wire.kinds import KIND_CAMERA, KIND_EVENT, KIND_SNAPSHOT

UNIT, ASSET = "pole-7", "junction-7"


def pole_plan(
    cameras: list[dict[str, object]],
    passwords: Mapping[str, tuple[str, str]],
    folder: Path,
    settings: Mapping[str, dict[str, object]] | None = None,
) -> UnitPlan:
    """A pole that judges a picture each second; `passwords` are users and passwords by camera."""
    path = folder / "passwords.toml"
    path.touch(mode=0o600)
    # JSON's strings are TOML's
    words = [
        f"[{name}]\nuser = {json.dumps(user)}\npassword = {json.dumps(password)}\n"
        for name, (user, password) in passwords.items()
    ]
    path.write_text("".join(words), "utf-8")
    return UnitPlan(
        name=UNIT,
        asset=ASSET,
        agency="transport",
        kind="pole",
        settings={"pole": {"every_s": 1.0, "passwords_path": str(path)}, **(settings or {})},
        cameras=tuple(cameras),
    )


def looks(city: City) -> list[Any]:
    """Every record of a camera at the centre, as they came."""
    return _bodies(city, KIND_CAMERA, records_pb2.Camera)


def verdicts(city: City) -> list[tuple[str, str, str]]:
    """Camera, verdict and cause of each."""
    return [(one.camera, one.verdict, one.cause) for one in looks(city)]


def events(city: City, name: str) -> list[dict[str, str]]:
    """What the events of that name say."""
    return [dict(one.detail) for one in _bodies(city, KIND_EVENT, records_pb2.Event) if one.name == name]


def snapshots(city: City) -> list[Any]:
    """Every picture at the centre."""
    return _bodies(city, KIND_SNAPSHOT, records_pb2.Snapshot)


def _bodies(city: City, kind: int, body: Any) -> list[Any]:
    with open_store(city.store_url) as store:
        return [body.FromString(row.body) for row in store.rows(unit=UNIT) if row.kind == kind]
