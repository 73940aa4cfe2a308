"""Every MQTT topic of pantau, built and taken apart in one place. Portable."""

UNIT_LEAVES = ("up", "bulk", "birth", "down/receipt", "down/desired", "down/command")
CITY_LEAVES = ("state", "track", "event", "health", "work", "hours")

_ROOT = "pantau/v1/"
_CITY = "city/v1/"
_ASK = "ask/v1/"
_ANSWER = "answer/v1/"
EVERY_QUESTION = _ASK + "+/+"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_RESERVED = ("bridge", "city")  # identities of the centre's own certificates begin so
_MAX_NAME = 31


def valid_name(name: str) -> bool:
    """Whether it can name an agency or an asset: [a-z0-9][a-z0-9-]{0,30}, or an asset `unassigned-<unit>`."""
    if name.startswith("unassigned-"):
        return valid_unit(name[len("unassigned-") :])
    return _plain(name)


def valid_unit(name: str) -> bool:
    """Whether it can name a unit: [a-z0-9][a-z0-9-]{0,30}, and not begin with `bridge` or `city`."""
    return _plain(name) and not any(name.startswith(word) for word in _RESERVED)


def _plain(name: str) -> bool:
    return 0 < len(name) <= _MAX_NAME and name[0] != "-" and all(c in _LETTERS or c == "-" for c in name)


def up(unit: str) -> str:
    """The live lane."""
    return _of_unit(unit, "up")


def bulk(unit: str) -> str:
    """The bulk lane."""
    return _of_unit(unit, "bulk")


def birth(unit: str) -> str:
    """Retained: who the unit is, and (by its will) that it is gone."""
    return _of_unit(unit, "birth")


def receipt(unit: str) -> str:
    """What the store has committed."""
    return _of_unit(unit, "down/receipt")


def desired(unit: str) -> str:
    """Retained: the configuration wanted."""
    return _of_unit(unit, "down/desired")


def command(unit: str) -> str:
    """Things to do now."""
    return _of_unit(unit, "down/command")


def bridge_state(bridge_id: str) -> str:
    """Retained: whether a bridge is alive, and its will."""
    return _ROOT + "bridge/" + bridge_id + "/state"


def city(agency: str, asset: str, leaf: str) -> str:
    """A clean topic of an asset; `leaf` is one of CITY_LEAVES."""
    if leaf not in CITY_LEAVES or not valid_name(agency) or not valid_name(asset):
        raise ValueError(f"no clean topic: {agency} {asset} {leaf}")
    return _CITY + agency + "/" + asset + "/" + leaf


def area_notice(agency: str, area: str) -> str:
    """That something entered or left an area or corridor; `agency` is the office that looks after it."""
    if not valid_name(agency) or not _plain(area):
        raise ValueError("no area's topic: " + agency + " " + area)
    return _CITY + agency + "/areas/" + area + "/notice"


def ask(consumer: str, what: str) -> str:
    """A question of that consumer's, which only its own certificate may put."""
    return _of_consumer(_ASK, consumer, what)


def answer(consumer: str, what: str) -> str:
    """The answer, which that consumer alone reads."""
    return _of_consumer(_ANSWER, consumer, what)


def parse_ask(topic: str) -> "tuple[str, str] | None":
    """(consumer, what) of a question; None for any other topic."""
    if not topic.startswith(_ASK):
        return None
    consumer, _, what = topic[len(_ASK) :].partition("/")
    return (consumer, what) if _plain(consumer) and _plain(what) else None


def parse_unit_topic(topic: str) -> "tuple[str, str] | None":
    """(unit, leaf) of a unit's topic, leaf one of UNIT_LEAVES; None for any other topic."""
    if not topic.startswith(_ROOT):
        return None
    unit, _, leaf = topic[len(_ROOT) :].partition("/")
    return (unit, leaf) if leaf in UNIT_LEAVES and valid_unit(unit) else None


def parse_city_topic(topic: str) -> "tuple[str, str, str] | None":
    """(agency, asset, leaf) of a clean topic; None for any other topic."""
    if not topic.startswith(_CITY):
        return None
    agency, _, rest = topic[len(_CITY) :].partition("/")
    asset, _, leaf = rest.partition("/")
    return (agency, asset, leaf) if leaf in CITY_LEAVES and valid_name(agency) and valid_name(asset) else None


def _of_consumer(root: str, consumer: str, what: str) -> str:
    if not _plain(consumer) or not _plain(what):
        raise ValueError("no question: " + consumer + " " + what)
    return root + consumer + "/" + what


def _of_unit(unit: str, leaf: str) -> str:
    if not valid_unit(unit):
        raise ValueError(f"no unit's name: {unit}")
    return _ROOT + unit + "/" + leaf
