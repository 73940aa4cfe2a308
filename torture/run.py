"""One scenario from beginning to end: the scene is set, the acts are played, the city comes to rest, the account."""

from __future__ import annotations

import json
import math
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from stage.city import CENTRE
from torture.account import Key, Stored, Verdict, compare, restart_to_first_epoch_s
from torture.box import Box
from torture.consumer import exported, pantau
from torture.report import Report
from torture.scenario import EVERY_EPOCH, Scenario, Unready, merged
from torture.scene import LAST_EPOCH_S, Scene

RECOVER_WITHIN_S: Final = 150.0  # the longest back-off, the timeout of a live row, the pause between two asks
# At the smallest scale there is no time for that: boxes are stopped before, and send what waits when they start again.
RECOVER_IN_SHORT_S: Final = 15.0
DRAIN_WITHIN_S: Final = 120.0
CONSUMER_WITHIN_S: Final = 15.0
RESTART_IN_A_CROWD_S: Final = 15.0  # at the smallest scale five cities share two cores
RESTART_WITHIN_S: Final = 3.0  # reach of the spine's issue, restart to first epoch


def run(
    scenario: Scenario,
    directory: Path,
    *,
    seed: int,
    seconds: float,
    log: Path | None = None,
    speed: float = 1.0,
    said: Callable[[str], None] = lambda _: None,
) -> Report:
    """Play one scenario in `directory`; never raises but for a signal: what went wrong is in the report."""
    report = Report(scenario=scenario.name, promise=scenario.promise, seed=seed)
    begun_s = time.monotonic()
    try:
        _play(scenario, directory, report, seed=seed, seconds=seconds, log=log, speed=speed, said=said)
    except Unready as missing:
        report.skipped = str(missing)
    except Exception:  # noqa: BLE001 - whatever it was, the other scenarios go on, and this one does not hold
        report.error = traceback.format_exc()
    report.took_s = time.monotonic() - begun_s
    return report


def _play(scenario: Scenario, directory: Path, report: Report, *, seed: int, seconds: float, **options: Any) -> None:
    lasts_s = max(seconds, scenario.setup.least_s)
    scene = Scene(directory, scenario.setup, seed=f"{seed} {scenario.name}", seconds=lasts_s, **options)
    with scene:
        closed = _act(scenario, scene)
        try:
            _rest(scene, report)
            _account(scene, report)
        finally:
            closed.set()
        report.claims = scene.claims
        report.faults = dict(scene.faults)
        late = scene.city.stop()
        scene.claim("every process stops within 5 s", not late, ", ".join(late))
    scene.claim("no process is left", not (left := _left_running(directory)), left)


def _act(scenario: Scenario, scene: Scene) -> threading.Event:
    """Play the acts, several at the same time; a thread that started processes stays until the event is set.

    (A child of the stage is killed with the thread that started it.)
    """
    closed, failures = threading.Event(), list[BaseException]()
    if len(scenario.acts) == 1:
        scenario.acts[0](scene)
        return closed
    done = threading.Barrier(len(scenario.acts) + 1)

    def one(act: Callable[[Scene], None]) -> None:
        try:
            act(scene)
        except Exception as error:  # noqa: BLE001 - told to the main thread, which raises it
            failures.append(error)
        done.wait()
        closed.wait()

    for act in scenario.acts:
        threading.Thread(target=one, args=(act,), name=act.__name__).start()
    done.wait()
    if failures:
        closed.set()
        raise failures[0]
    return closed


def _rest(scene: Scene, report: Report) -> None:
    """Faults are over: everything runs, what was put in arrives; then receivers fall silent and outboxes drain."""
    for box in scene.boxes:
        box.mend()
    for name in (*CENTRE, *(box.name for box in scene.boxes)):
        scene.start(name)
    over_s = scene.over_s or time.monotonic()
    owed = {
        box.name: ({e.key for e in box.told if e.first_byte_s < over_s} & scene.owed(box)) - scene.lost
        for box in scene.boxes
    }
    if not scene.setup.named and scene.until(
        lambda: all(owed[box.name] <= scene.stored(box) for box in scene.boxes),
        RECOVER_WITHIN_S if scene.seconds > scene.setup.least_s else RECOVER_IN_SHORT_S,
    ):
        report.recover_s = time.monotonic() - over_s
    for box in scene.boxes:
        box.silence()
    scene.settle(LAST_EPOCH_S)
    for box in scene.boxes:
        scene.stop(box.name)  # appends the open interval
    newest = {box.name: scene.newest_row(box) for box in scene.boxes}
    for box in scene.boxes:
        scene.start(box.name)  # a session's first receipt comes at once, those of later rows are gathered for a minute
    scene.until(
        lambda: all(not scene.waiting(box, newest[box.name]) for box in scene.boxes),
        DRAIN_WITHIN_S,
        "every outbox drains to the last row",
    )


def _account(scene: Scene, report: Report) -> None:
    """Hold the export, the ledger and the consumer against what was put in."""
    stored = {plan.name: exported(scene.city, plan.name, scene.known_by) for plan in scene.city.units}
    everything = {(name, one.key) for name, found in stored.items() for one in found}
    scene.until(lambda: scene.consumer.fixes() >= everything, CONSUMER_WITHIN_S)
    scene.consumer.replay()
    accounts = _ledger(scene)
    for account in accounts:
        for reason, count in account["shed_by_reason"].items():
            report.shed[reason] = report.shed.get(reason, 0) + count
    for box in scene.boxes:
        found = _of(box, stored, scene)
        verdict = compare(box.told, scene.opened(box), found, tolerance_ms=scene.setup.tolerance_ms)
        silent = [key for key in verdict.due_missing if key not in scene.lost]
        _add(report, verdict, len(silent))
        _judge(scene, box, verdict, silent)
        starts = [begun for begun, _ in box.child.lives]
        waits = restart_to_first_epoch_s(starts, box.told, found)
        if waits:
            within_s = RESTART_WITHIN_S if scene.seconds > scene.setup.least_s else RESTART_IN_A_CROWD_S
            claim = f"{box.name} has an epoch within {within_s:g} s of each start"
            scene.claim(claim, max(waits) <= within_s, f"{max(waits):.2f} s")
        report.up_bytes += box.link.bytes_up
        report.down_bytes += box.link.bytes_down
    if scene.setup.named:
        named, gone = _named(scene, report), report.missing
        scene.claim("no more epochs are missing than are named", gone <= named, f"{gone} missing, {named} named")
        report.missing = max(0, gone - named)
        report.named += gone - report.missing
    missed = everything - scene.consumer.fixes()
    scene.claim(
        "the consumer heard the city, and misses nothing after its replay",
        scene.consumer.live > 0 and not missed,
        f"{scene.consumer.live} live, {scene.consumer.replayed} replayed, {len(missed)} missed",
    )
    scene.claim("no process ended by itself", not scene.ended_by_itself, "; ".join(scene.ended_by_itself))


def _of(box: Box, stored: dict[str, list[Stored]], scene: Scene) -> list[Stored]:
    """What the centre has under the box's units, but for what another box told under one of them (a cloned card)."""
    others = {e.key for other in scene.boxes if other is not box and other.units & box.units for e in other.told}
    return [one for unit in sorted(box.units) for one in stored[unit] if one.key not in others]


def _judge(scene: Scene, box: Box, verdict: Verdict, silent: Sequence[Key]) -> None:
    name = box.name
    scene.claim(f"{name}: something was due", verdict.due > 0, verdict.due)
    scene.claim(f"{name}: nothing is stored twice", not verdict.twice, verdict.twice[:3])
    scene.claim(f"{name}: nothing is stored that was not said", not verdict.foreign, verdict.foreign[:3])
    scene.claim(f"{name}: every stored time is right", not verdict.wrong_time, verdict.wrong_time[:3])
    if not scene.setup.named:
        scene.claim(f"{name}: every due epoch is stored", not silent, silent[:3])


def _named(scene: Scene, report: Report) -> int:
    """How many epochs ledger and health records name as given up: those of shed records, and those never recorded."""
    settings = merged(EVERY_EPOCH, scene.setup.settings)
    in_a_record = math.ceil(float(str(settings["report"]["interval_s"])) * scene.setup.epochs_per_s) + 1
    unobserved = sum(
        max((sum(h.unobserved_by_reason.values()) for h in scene.health(b)), default=0) for b in scene.boxes
    )
    return in_a_record * sum(report.shed.values()) + unobserved


def _ledger(scene: Scene) -> list[dict[str, Any]]:
    done = pantau("ledger", "--store", scene.city.store_url, "--json")
    accounts: list[dict[str, Any]] = json.loads(done.stdout)
    missing = sum(a["missing"] for a in accounts)
    judged = sum(a["produced"] - a["unjudged"] for a in accounts)
    if not scene.setup.overtaken:
        balanced = done.returncode == 0 and missing == 0 and judged > 0
        scene.claim("the ledger judged records, and none is missing", balanced, f"{missing} of {judged}")
    if not scene.setup.conflicts:
        conflicts = sum(a["conflicts"] for a in accounts)
        scene.claim("no seq was used for two records", not conflicts, conflicts)
    return accounts


def _add(report: Report, verdict: Verdict, silent: int) -> None:
    report.put_in += verdict.played
    report.due += verdict.due
    report.stored += verdict.stored
    report.twice += len(verdict.twice)
    report.missing += silent
    report.named += len(verdict.due_missing) - silent
    report.unobserved += verdict.unobserved


def _left_running(directory: Path) -> list[str]:
    """Processes whose command line names the scene's directory; the suite's own are none of them."""
    found, home = [], str(directory).encode()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:
            continue
        suite = b"torture" in b" ".join(words) and b"torture.dying" not in words
        # Not the directory of a scenario whose name only begins with this one's.
        if any(home + b"/" in word or word.endswith(home) for word in words) and not suite:
            found.append(f"{each.parent.name}: {b' '.join(words).decode(errors='replace')[:200]}")
    return found
