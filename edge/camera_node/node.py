"""The main loop of a camera node: looks come in; verdicts, alarms, pictures and recovery steps go out."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from edge.budget import Budget
from edge.camera_node.camera import jpeg
from edge.camera_node.ear import Heard
from edge.camera_node.eye import Eye, Taken
from edge.camera_node.heap import give_back
from edge.camera_node.live import Live
from edge.camera_node.pole import Pole, Probes
from edge.camera_node.probing import Outcome
from edge.camera_node.record import Recorder
from edge.camera_node.recovery import CUT_OFF_S, Ladder, Situation, Step
from edge.camera_node.snapshots import LARGE_BYTES, Rung, Snapshots, Wish, snapshot_record
from edge.camera_node.updating import Updating
from edge.camera_node.verdict import KINDS, LEARNING
from edge.camera_node.watched import SEEING, Said, Watched
from edge.clock import Clock
from edge.relays import Relays
from edge.service import Stop
from wire.kinds import CLASS_BULKY

log = logging.getLogger(__name__)

TURN_S: Final = 1.0
BLIND: Final = frozenset(KINDS) - {SEEING}
SAID_AGAIN_S: Final = 21_600.0  # a healthy camera's verdict, four times a day: presence says the rest
LEARNED_EVERY_S: Final = 21_600.0  # what was learned is written; each write costs the card about 200 kB for eight
LEARNED_FIRST_S: Final = 600.0
SKEW_S: Final = 60.0  # a burnt-in clock that is wrong by so much makes a picture useless as evidence
GIVEN_BACK_EVERY_S: Final = 30.0  # six looks of each camera: memory is no higher than at 10 s
LARGE_PX, LARGE_QUALITY = 1280, 60

Seen = queue.SimpleQueue["Outcome | Taken | Heard | None"]  # a signal handler may put (wake): it takes no lock


class Notes(Protocol):
    """What survives the process (edge/memory.py)."""

    def recall(self, name: str, default: Any) -> Any: ...
    def remember(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """One camera's parts. `relay` is the name of the one in its supply; `reboot` asks the camera to start anew."""

    watched: Watched
    eye: Eye
    ladder: Ladder
    relay: str | None = None
    reboot: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the node is told of the pole besides its cameras; each quick, None: not known."""

    switch: Callable[[], bool | None] = lambda: None
    carrier: Callable[[], bool | None] = lambda: None


class Node:
    """One pole."""

    def __init__(
        self,
        lenses: Iterable[Lens],
        seen: Seen,
        *,
        pole: Pole,
        relays: Relays,
        live: Live,
        updating: Updating,
        snapshots: Snapshots,
        recorder: Recorder,
        budget: Budget,
        clock: Clock,
        notes: Notes,
        around: Around,
    ) -> None:
        self._lenses = {lens.watched.name: lens for lens in lenses}
        self._seen = seen
        self._pole, self._relays, self._live, self._updating, self._snapshots = pole, relays, live, updating, snapshots
        self._recorder, self._budget, self._clock, self._notes = recorder, budget, clock, notes
        self._around = around
        self._said: dict[str, tuple[Said, float]] = {}
        self._since: dict[str, list[Any]] = notes.recall("since", {})  # by camera: verdict, cause, UTC ms
        self._skewed: set[str] = set()
        self._next_turn_s = 0.0
        self._learned_s = clock.monotonic_s() + LEARNED_FIRST_S
        self._given_back_s = 0.0

    # ------------------------------------------------------------------ the loop

    def run(self, obey: Callable[[], None], stop: Stop) -> None:
        """Until told to stop."""
        while not stop.is_set():
            try:
                self._take(self._seen.get(timeout=TURN_S))
                while True:
                    self._take(self._seen.get_nowait())
            except queue.Empty:
                pass
            if (now_s := self._clock.monotonic_s()) >= self._next_turn_s:
                self._next_turn_s = now_s + TURN_S
                self.turn(now_s)
            obey()
            self._recorder.turn()
        self._live.close()
        self._relays.close()
        self._keep()
        self._recorder.end()

    def wake(self) -> None:
        """Look at the stop now; from any thread or signal handler."""
        self._seen.put(None)

    def turn(self, now_s: float) -> None:
        """Once a second: alarms, verdicts, recovery, pictures, leases, relays."""
        self._relays.turn()
        self._live.turn(self._budget.degree)
        self._updating.turn()
        powered = self._relays.powered()
        self._alarms(powered, now_s)
        for name, lens in self._lenses.items():
            self._say(name, lens, now_s)
            self._recover(name, lens, now_s)
        self._send_pictures(now_s)
        if now_s >= self._learned_s:
            self._keep()
        if now_s >= self._given_back_s:
            self._given_back_s = now_s + GIVEN_BACK_EVERY_S
            give_back()

    # ------------------------------------------------------------------ what a person at the centre asks for

    def verbs(self) -> Mapping[str, Callable[[Mapping[str, Any]], str]]:
        """The commands of a camera node, by name (docs/camera-node.md)."""
        return {
            "snapshot": self._snapshot,
            "live": self._live.want,
            "live_end": self._live.unwant,
            "updating": self._updating.want,
            "accept_view": self._accept_view,
            "camera_mended": self._mended,
        }

    def _snapshot(self, arguments: Mapping[str, Any]) -> str:
        lens, large = self._lens(arguments), arguments.get("large") is True
        if not large:
            return self._snapshots.asked(lens.watched.name, "asked for")
        if lens.watched.lost is not None:
            raise ValueError(f"it gives no picture: {lens.watched.lost}")
        lens.eye.snapshot(width_px=LARGE_PX, quality=LARGE_QUALITY)
        return "a large picture follows"

    def _accept_view(self, arguments: Mapping[str, Any]) -> str:
        lens = self._lens(arguments)
        lens.watched.accept_view()
        self._keep()
        return "this is the view from now on"

    def _mended(self, arguments: Mapping[str, Any]) -> str:
        self._lens(arguments).ladder.reset(self._clock.monotonic_s())
        return "what did not help may be tried again"

    def _lens(self, arguments: Mapping[str, Any]) -> Lens:
        name = arguments.get("camera")
        if not isinstance(name, str) or name not in self._lenses:
            raise ValueError("no such camera")
        return self._lenses[name]

    # ------------------------------------------------------------------ inside

    def _take(self, seen: Outcome | Taken | Heard | None) -> None:
        if isinstance(seen, Outcome):
            self._lenses[seen.camera].watched.take(seen)
        elif isinstance(seen, Taken):
            wish = Wish(seen.camera, "asked for", LARGE_BYTES)
            if len(seen.jpeg) > LARGE_BYTES:
                self._snapshots.left_out["too_large"] += 1
                self._snapshots.asked(seen.camera, "asked for, smaller as it must fit", large=True)
                return
            body, kind, cls = snapshot_record(wish, seen.jpeg, self._clock.stamp())
            self._recorder.put(body, kind, cls)
        elif isinstance(seen, Heard):
            self._heard(seen)

    def _heard(self, heard: Heard) -> None:
        """What a camera says of itself: its own alarms stand beside our verdict, a wrong clock is worth a word."""
        if heard.alarm is not None:
            on = "on" if heard.alarm.on else "off"
            more = {"changes": str(heard.changes)} if heard.changes > 1 else {}
            self._recorder.happened("camera_says", camera=heard.camera, what=heard.alarm.kind, state=on, **more)
        elif heard.skew_s is not None and abs(heard.skew_s) >= SKEW_S:
            if heard.camera not in self._skewed:
                self._recorder.happened("camera_clock_wrong", camera=heard.camera, ahead_s=f"{heard.skew_s:.0f}")
            self._skewed.add(heard.camera)
        elif heard.skew_s is not None:
            self._skewed.discard(heard.camera)

    def _alarms(self, powered: Mapping[str, bool], now_s: float) -> None:
        looked = {name: lens.watched for name, lens in self._lenses.items() if lens.watched.looked}
        probes = Probes(
            cameras={
                name: None if watched.failure is None else str(watched.failure) for name, watched in looked.items()
            },
            unprobed=frozenset(self._lenses.keys() - looked.keys()),
            others={name: watched.another for name, watched in looked.items() if watched.another},
            powered={name: powered[lens.relay] for name, lens in self._lenses.items() if lens.relay is not None},
            switch=self._around.switch(),
            carrier=self._around.carrier(),
        )
        changes = self._pole.see(probes, now_s)
        for change in changes:
            alarm = change.alarm
            self._recorder.happened(
                "pole_alarm" if change.opened else "pole_alarm_over",
                cause=alarm.cause,
                cameras=", ".join(sorted(alarm.cameras)),
                why=change.why,
            )
        if changes:
            self._notes.remember("pole", self._pole.state())

    def _say(self, name: str, lens: Lens, now_s: float) -> None:
        said = lens.watched.said(now_s, self._pole.cause_of(name))
        if said is None:
            return
        before, at_s = self._said.get(name, (None, float("-inf")))
        if before is None and said.verdict == SEEING and not self._sees_again(name, lens, now_s):
            return
        changed = before is None or (said.verdict, said.cause) != (before.verdict, before.cause)
        learned = before is not None and before.reason == LEARNING != said.reason
        if not (changed or learned) and now_s - at_s < SAID_AGAIN_S:
            return
        self._said[name] = said, now_s
        self._recorder.verdict(name, said, lens.watched.quality(now_s), self._began(name, said))
        if changed:
            log.info("%s: %s (%s)", name, said.verdict, said.reason)
            if before is not None and lens.watched.failure is None:
                self._snapshots.changed(name, said.verdict)

    def _sees_again(self, name: str, lens: Lens, now_s: float) -> bool:
        """Whether `seeing` may be the first word of this process: not of a camera that was blind and may still be."""
        match self._since.get(name):
            case [str(verdict), *_] if verdict in BLIND:
                return lens.watched.sees_again(verdict, now_s)
        return True

    def _began(self, name: str, said: Said) -> int | None:
        """Since when this is said of the camera, over restarts too; None: by no clock that was right."""
        words: list[Any] = [said.verdict, said.cause]
        kept = self._since.get(name)
        if not (isinstance(kept, list) and kept[:2] == words and len(kept) == 3):
            kept = self._since[name] = [*words, self._clock.utc_ms()]
            self._notes.remember("since", dict(self._since))
        return kept[2] if type(kept[2]) is int else None

    def _recover(self, name: str, lens: Lens, now_s: float) -> None:
        sharers = [other for other, one in self._lenses.items() if lens.relay is not None and one.relay == lens.relay]
        together = {name, *sharers}
        situation = Situation(
            failure=lens.watched.trouble() if lens.watched.looked else None,
            elsewhere=self._pole.elsewhere(name, now_s),
            watched=any(map(self._live.watched, together)),
            updating=any(map(self._updating.of, together)),
            reboots=lens.reboot is not None,
            relay=lens.relay is not None,
            # One that nobody has looked at yet may see.
            others_see=any(not self._lenses[other].watched.blind(now_s) for other in sharers if other != name),
        )
        step = lens.ladder.turn(situation, now_s)
        self._tell_outcomes(name, lens)
        if step is None:
            return
        log.info("%s: recovery step %s against %s", name, step, situation.failure)
        self._recorder.happened("camera_recovery", camera=name, step=step, failure=str(situation.failure))
        if step is Step.RESTART:
            lens.eye.restart()
        elif step is Step.REBOOT and lens.reboot is not None:
            lens.reboot()
        elif step is Step.CUT and lens.relay is not None:
            self._relays.cut(lens.relay, CUT_OFF_S)

    def _tell_outcomes(self, name: str, lens: Lens) -> None:
        for one in lens.ladder.outcomes():
            so_far = {"tried": str(one.effect.tried), "helped_percent": str(one.effect.helped_percent)}
            if one.after_s is None:
                log.info("%s: recovery step %s did not help", name, one.step)
                given_up = {"given_up": "yes"} if one.given_up else {}
                self._recorder.happened("camera_not_recovered", camera=name, step=one.step, **so_far, **given_up)
            else:
                after_s = str(round(one.after_s))
                self._recorder.happened("camera_recovered", camera=name, step=one.step, after_s=after_s, **so_far)

    def _send_pictures(self, now_s: float) -> None:
        while (wish := self._snapshots.due(now_s, self._budget.degree)) is not None:
            picture = self._lenses[wish.camera].watched.picture
            if picture is None:
                self._snapshots.left_out["no_picture"] += 1
                continue

            def encoded(rung: Rung, picture: Any = picture) -> bytes:
                return jpeg(picture, width_px=rung.width_px, quality=rung.quality)

            image = self._snapshots.fit(wish, encoded)
            if image is not None:
                body, kind, _ = snapshot_record(wish, image, self._clock.stamp())
                self._recorder.put(body, kind, CLASS_BULKY)

    def _keep(self) -> None:
        self._learned_s = self._clock.monotonic_s() + LEARNED_EVERY_S
        self._notes.remember("learned", {name: lens.watched.learned() for name, lens in self._lenses.items()})
