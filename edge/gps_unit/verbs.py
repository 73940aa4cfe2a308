"""What a gps_unit does when the centre says so. Anything else is refused: there is no verb that runs a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.commands import Verb
from edge.desired import Shadow
from edge.gps_unit.modes import Modes
from edge.gps_unit.record import Recorder


def of(modes: Modes, recorder: Recorder, shadow: Shadow, leave: Callable[[], None]) -> dict[str, Verb]:
    """The verbs by name; each returns what to say, and raises ValueError with the reason when it can not.

    `leave` ends the process, which is then started anew.
    """

    def burst(arguments: Mapping[str, Any]) -> str:
        minutes = arguments.get("minutes")
        if type(minutes) is not int:
            raise ValueError(f"minutes: {minutes!r}, wanted a whole number")
        modes.burst(minutes)
        return f"every fix for {minutes} min"

    def mission(arguments: Mapping[str, Any]) -> str:
        state = arguments.get("state")
        if state not in ("on", "off"):
            raise ValueError(f'state: {state!r}, wanted "on" or "off"')
        modes.order_mission(state == "on")
        return f"mission {state}"

    def report(_arguments: Mapping[str, Any]) -> str:
        recorder.ask_health()
        return "health goes at the next turn"

    def config(_arguments: Mapping[str, Any]) -> str:
        return shadow.say()

    def restart(_arguments: Mapping[str, Any]) -> str:
        leave()
        return "it ends, and systemd starts it anew"

    return {"burst": burst, "mission": mission, "report": report, "config": config, "restart": restart}
