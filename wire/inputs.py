"""How a box says what its wired inputs do: the names of the events, shared by both ends.

An input has two levels, and each has an event of its own: `ignition_on`, `ignition_off`, `pto_on`, `pto_off`. The
event's detail `why` tells a change from a statement: `edge` (the default) means that it changed at this instant,
`level` that it stands so now, said when the process begins and at least once a day.
"""

IGNITION = "ignition"  # the engine may run: terminal 15, or the alternator's D+
PTO = "pto"  # the machine works: power take-off, boom, hydraulic pressure, a drum that turns
BOOM = "boom"  # a boom's or hopper's switch: the machine works, and so it is said as `pto`
BEACON = "beacon"
SIREN = "siren"
DOOR = "door"  # on: open
PANIC = "panic"  # somebody in the cab calls for help
TAMPER = "tamper"  # on: the box is open

INPUTS = (IGNITION, PTO)  # what hours are derived from
KINDS = (IGNITION, PTO, BOOM, BEACON, SIREN, DOOR, PANIC, TAMPER)  # what a box can have a wire for
WHY, EDGE, LEVEL = "why", "edge", "level"
INPUT = "input"  # the event's detail that names the wire, as the box's configuration does

# Somebody's call for help: said again and again until a person at the centre has acknowledged it.
SOS, SOS_ACKNOWLEDGED = "sos", "sos_acknowledged"
CALL, TIMES, BY = "call", "times", "by"  # their details: the call's id, how often it was said, who acknowledged it
ACKNOWLEDGE = "acknowledge"  # the command's verb; its arguments are `call` and `by`

_SAID = {f"{name}_{level}": (name, level == "on") for name in INPUTS for level in ("on", "off")}


def said_as(kind: str) -> str:
    """Under which name the events of a kind of wire go: a boom's are the power take-off's."""
    return PTO if kind == BOOM else kind


def input_event(name: str, on: bool) -> str:
    """The name of the event that says an input's level: input_event("pto", True) is `pto_on`."""
    return f"{name}_{'on' if on else 'off'}"


def said_of_input(event: str) -> "tuple[str, bool] | None":
    """Which input an event's name speaks of, and its level; None for every other event."""
    return _SAID.get(event)
