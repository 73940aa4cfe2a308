"""How a box says what its wired inputs do: the names of the events, shared by both ends.

An input has two levels, and each has an event of its own: `ignition_on`, `ignition_off`, `pto_on`, `pto_off`. The
event's detail `why` tells a change from a statement: `edge` (the default) means that it changed at this instant,
`level` that it stands so now, said when the process begins and at least once a day.
"""

IGNITION = "ignition"  # the engine may run: terminal 15, or the alternator's D+
PTO = "pto"  # the machine works: power take-off, boom, hydraulic pressure, a drum that turns

INPUTS = (IGNITION, PTO)
WHY, EDGE, LEVEL = "why", "edge", "level"

_SAID = {f"{name}_{level}": (name, level == "on") for name in INPUTS for level in ("on", "off")}


def input_event(name: str, on: bool) -> str:
    """The name of the event that says an input's level: input_event("pto", True) is `pto_on`."""
    return f"{name}_{'on' if on else 'off'}"


def said_of_input(event: str) -> "tuple[str, bool] | None":
    """Which input an event's name speaks of, and its level; None for every other event."""
    return _SAID.get(event)
