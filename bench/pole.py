"""A pole of a staged city: its simulated cameras, and the plan of the camera node that looks at them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.sim.cameras import CameraHost, SimCamera
from stage.city import UnitPlan

CAMERAS: Final = 8
AGENCY: Final = "transport"


def names() -> list[str]:
    """What the cameras of a pole are called."""
    return [f"camera-{number}" for number in range(1, CAMERAS + 1)]


def small(host: CameraHost, count: int) -> list[SimCamera]:
    """The cheapest cameras that a judge still takes for cameras; what a pole says does not depend on their size."""
    return [host.camera(f"small-{n}", seed=n, frames_per_s=2, keyframe_every_s=2) for n in range(1, count + 1)]


def plan(
    name: str,
    cameras: Sequence[SimCamera],
    folder: Path,
    *,
    inside: tuple[str, ...] = (),
    settings: dict[str, dict[str, object]] | None = None,
    onvif_port: int | None = None,
) -> UnitPlan:
    """A node as delivered but for `settings`; fewer than eight cameras are opened and asked by ONVIF several times."""
    service: dict[str, object] = {} if onvif_port is None else {"onvif_port": onvif_port}
    eyes = dict(zip(names(), [cameras[n % len(cameras)] for n in range(CAMERAS)], strict=True))
    passwords = folder / f"{name}-passwords.toml"
    passwords.touch(mode=0o600)
    # JSON's strings are TOML's.
    words = [
        f"[{eye}]\nuser = {json.dumps(camera.user)}\npassword = {json.dumps(camera.password)}\n"
        for eye, camera in eyes.items()
    ]
    passwords.write_text("".join(words), "utf-8")
    wanted: dict[str, dict[str, object]] = {"pole": {"passwords_path": str(passwords.absolute())}}
    for table, values in (settings or {}).items():
        wanted.setdefault(table, {}).update(values)
    return UnitPlan(
        name=name,
        asset=name,
        agency=AGENCY,
        kind="pole",
        settings=wanted,
        inside=inside,
        cameras=tuple({"name": eye, "url": camera.url, **service} for eye, camera in eyes.items()),
    )
