"""The configuration the centre wants, on top of the box's own file: checked, tried, then kept or taken back.

`desired` is what the centre wants under a version, `reported` what became of it. A document that cannot run is refused
with the reason, and what ran goes on. One that can is tried: stored, and the process starts anew with it. Once a
receipt has come in (the whole path works) it is kept; after `trial_s` without any, or when the process could not
live with it, the box goes back to what it had, by itself, and says so. All that is known of it is one value in the
box's documents, replaced whole in one transaction: a cut at any moment leaves a box before or after a step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from edge.config import UnitConfig
from settings import ConfigError, Problem
from settings.load import from_document
from settings.schema import keys_of, tables_of
from wire.errors import PeerViolation

log = logging.getLogger(__name__)

DESIRED_LIMIT_BYTES: Final = 16_384
MOST_STARTS: Final = 5  # of a process under trial; one that dies under it does not live for its whole time
SAVE_EVERY_S: Final = 60.0  # how much of the trial's time a power cut may give back

# What may be set from the centre. Not who the box is, what it trusts, where its files are and what is wired to it:
# that is written by whoever stands beside it. All keys of a table where none is named.
REMOTE: Final[Mapping[str, tuple[str, ...]]] = {
    "broker": ("host", "port", "keepalive_s", "fleet_units"),
    "report": (),
    "profile_moving": (),
    "profile_mission": (),
    "profile_working": (),
    "uplink": (),
}

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("desired:heard", "desired:tried", "desired:kept", "desired:reverted")

Document = Mapping[str, Mapping[str, Any]]


class Kept(Protocol):
    """One value that survives a power cut."""

    def load(self) -> dict[str, Any]: ...
    def save(self, value: dict[str, Any]) -> bool:
        """False when it will not be there after a restart."""


def problems_in(document: Document) -> list[Problem]:
    """What is wrong with a wanted document by itself; a box may still find that it does not go with its own file."""
    found = [
        Problem(key=f"{table}.{key}", value=repr(value), wanted="not a key that the centre may set (docs/remote.md)")
        for table, keys in document.items()
        for key, value in keys.items()
        if not may_be_set(table, key)
    ]
    asked = {f"{table}.{key}" for table, keys in document.items() for key in keys}
    try:
        from_document({table: dict(keys) for table, keys in document.items()}, UnitConfig, name="", folder=Path())
    except ConfigError as error:  # that a document lacks what only the box's own file says is no problem of it
        found += [each for each in error.problems if each.key in asked and each.key not in {one.key for one in found}]
    return found


def may_be_set(table: str, key: str) -> bool:
    """Whether the centre may set this key; it exists, and is in REMOTE."""
    if table not in REMOTE:
        return False
    known = [each.name for each in keys_of(table, tables_of(UnitConfig)[table])]
    return key in (REMOTE[table] or known)


def parse_desired(payload: bytes) -> tuple[int, Document]:
    """Version and document of a payload on `down/desired`; PeerViolation when it is none."""
    if len(payload) > DESIRED_LIMIT_BYTES:
        raise PeerViolation("desired: too long")
    try:
        said: Any = json.loads(payload)
        version, document = said["version"], said["desired"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PeerViolation("no desired configuration") from error
    tables = isinstance(document, dict) and all(isinstance(table, dict) for table in document.values())
    if type(version) is not int or not 0 < version < 1 << 63 or not tables:
        raise PeerViolation("desired: other types")
    return version, document


class Shadow:
    """What is wanted and what runs; used by the main thread. `check` raises ConfigError for a document that cannot run.

    `hear` and `turn` are True when the process has to start anew: cleanly, and soon.
    """

    def __init__(
        self,
        kept: Kept,
        check: Callable[[Document], object],
        monotonic_s: Callable[[], float],
        *,
        trial_s: float,
        at: Callable[[str], None] = lambda _point: None,
    ) -> None:
        self._kept = kept
        self._check = check
        self._monotonic_s = monotonic_s
        self._trial_s = trial_s
        self._at = at
        self._state = _sound(kept.load())
        self._began_s = self._saved_s = monotonic_s()
        self._to_say = bool(self._state["report"])  # said anew by each process: nobody knows whether it got away
        self._trying = False  # this process is the trial; one that has only stored it has nothing to judge
        self.running: Document = {}

    def begin(self) -> Document:
        """What this process is to run with, on top of the box's file; call once, first."""
        trial = self._state["trial"]
        if trial is not None:
            trial["starts"] += 1
            if trial["starts"] > MOST_STARTS or trial["spent_s"] >= self._trial_s:
                self._revert(f"the process was started {trial['starts']} times and heard no receipt")
            else:
                self._save()
        for name in ("trial", "stable"):
            found = self._state[name]
            if found is not None and self._fits(name, found):
                self.running, self._trying = found["document"], name == "trial"
                break
        return self.running

    def hear(self, payload: bytes) -> bool:
        """What came on `down/desired`; raises PeerViolation for what is no such thing. The same again is nothing."""
        version, document = parse_desired(payload)
        trial, report = self._state["trial"], self._state["report"]
        if version in (trial and trial["version"], report and report["version"]):
            return False
        self._at("desired:heard")
        if reason := self._why_not(document):
            self._tell(version, "refused", reason)
            self._save()
            return False
        if trial is None and document == self.running:
            self._state["stable"] = {"version": version, "document": document}
            self._tell(version, "applied")
            self._save()
            return False
        self._state["trial"] = {"version": version, "document": document, "starts": 0, "spent_s": 0.0}
        if not self._save():
            self._state["trial"] = trial
            self._tell(version, "refused", "the box's documents can not be written: it would not outlive a restart")
            return False
        self._trying = False
        self._at("desired:tried")
        log.info("configuration %d is tried", version)
        return True

    def turn(self, *, receipted: bool) -> bool:
        """At each turn of the loop; `receipted`: a receipt came in this session."""
        trial = self._state["trial"]
        if trial is None or not self._trying:
            return False
        now_s = self._monotonic_s()
        trial["spent_s"], self._began_s = trial["spent_s"] + now_s - self._began_s, now_s
        if receipted:
            self._state["stable"] = {"version": trial["version"], "document": trial["document"]}
            self._state["trial"] = None
            self._tell(trial["version"], "applied")
            self._save()
            self._at("desired:kept")
        elif trial["spent_s"] >= self._trial_s:
            self._revert(f"no receipt within {self._trial_s:.0f} s")
            return True
        elif now_s - self._saved_s >= SAVE_EVERY_S:
            self._save()
        return False

    def say(self) -> str:
        """Tell the centre again what runs, at the next turn; what is said at once."""
        self._to_say = True
        return json.dumps(self.running)

    def take_report(self) -> tuple[int, str] | None:
        """Version and JSON of a Reported record that is due; None when there is nothing new to say."""
        if not self._to_say:
            return None
        self._to_say = False
        report = self._state["report"] or {"version": 0, "state": "own", "error": ""}
        said = {"state": report["state"], "error": report["error"], "running": self.running}
        return report["version"], json.dumps(said, separators=(",", ":"))

    # ------------------------------------------------------------------ in parts

    def _why_not(self, document: Document) -> str:
        """Why it cannot run; empty when it can."""
        if problems := problems_in(document):
            return "; ".join(map(str, problems))
        try:
            self._check(document)
        except ConfigError as error:
            return "; ".join(map(str, error.problems)) or str(error)
        return ""

    def _fits(self, name: str, found: Mapping[str, Any]) -> bool:
        """Whether it still can run: the box's own file or its firmware may have changed since."""
        reason = self._why_not(found["document"])
        if not reason:
            return True
        log.warning("configuration %d does not fit any more: %s", found["version"], reason)
        self._state[name] = None
        self._tell(found["version"], "refused", reason)
        self._save()
        return False

    def _revert(self, reason: str) -> None:
        trial = self._state["trial"]
        self._state["trial"] = None
        self._tell(trial["version"], "reverted", reason)
        self._save()
        self._at("desired:reverted")
        log.warning("configuration %d is taken back: %s", trial["version"], reason)

    def _tell(self, version: int, state: str, error: str = "") -> None:
        self._state["report"] = {"version": version, "state": state, "error": error}
        self._to_say = True

    def _save(self) -> bool:
        self._saved_s = self._monotonic_s()
        return self._kept.save(self._state)


def _sound(state: Mapping[str, Any]) -> dict[str, Any]:
    """The three parts of what was kept; a part that worn bits have made senseless is none."""
    return {
        "trial": _part(state, "trial", version=int, document=dict, starts=int, spent_s=float),
        "stable": _part(state, "stable", version=int, document=dict),
        "report": _part(state, "report", version=int, state=str, error=str),
    }


def _part(state: Mapping[str, Any], name: str, /, **kinds: type) -> dict[str, Any] | None:
    part = state.get(name)
    if not isinstance(part, dict) or not all(type(part.get(key)) is kind for key, kind in kinds.items()):
        return None
    sound = all(isinstance(table, dict) for table in part.get("document", {}).values()) and part["version"] >= 0
    return dict(part) if sound else None
