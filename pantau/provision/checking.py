"""What `pantau-provision check` does on a box: the probes in their order, and what the technician sees of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TextIO

from cryptography import x509

from edge.clock import Clock
from edge.tls import Identity
from pantau.plain import plain
from pantau.provision.kinds import Box
from provisioning.acceptance import card, computer, modem, page, words
from provisioning.acceptance.config import CheckConfig
from provisioning.acceptance.post import Connect, Post
from provisioning.acceptance.round_trip import clock_source, round_trip
from provisioning.acceptance.run import AT_ONCE_S, DELIVERY_S, Done, Probe, Who, check, conclude
from provisioning.acceptance.sheet import Line
from provisioning.broker_try import Visit
from provisioning.words import _
from provisioning.x509 import identity_of, load_key
from settings import ConfigError
from wire.errors import PantauError
from wire.topics import receipt

MARKS: Final = {"passed": "✓", "failed": "✗", "skipped": "·"}


def check_box(limits: CheckConfig, box: Box, *, by: str, attended: bool, as_json: bool) -> bool:
    """Check, sign, save, deliver; whether all passed and the centre has the sheet. `as_json`: it goes to stdout."""
    clock = Clock()
    clock.take_anchor()  # asks whether NTP is in step
    who = _who(box, by, attended=attended)
    screen = Screen(sys.stderr if as_json else sys.stdout)
    folder = limits.files.directory
    with _post(folder, box, clock) as post:
        connect = _connect(box, clock)
        probes = _probes(limits, box, screen if attended else None, post, connect, by)
        sheet = check(probes, who, begin=screen.begin, found=screen.found)
        done = conclude(sheet, who, folder / "sheets", post, connect)
    if as_json:
        print(done.signed.content.decode())
    screen.end(done)
    return sheet.passed and not done.why_kept


class Screen:
    """What the technician sees and is asked."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def say(self, text: str) -> None:
        """One line, at once."""
        print(plain(text), file=self._out, flush=True)

    def begin(self, probe: Probe) -> None:
        """A probe that takes its time says how long."""
        if probe.name in words.SAID:
            self.say(_(words.SAID[probe.name]).format(seconds=round(probe.within_s)))

    def found(self, line: Line) -> None:
        """One line of the sheet, and what to do under it."""
        limit = page.limit(line)
        told = "  ".join(part for part in (page.measured(line), f"({limit})" if limit else "") if part)
        self.say(f"{MARKS[line.verdict]} {page.title(line)}: {told}".rstrip(": "))
        if line.todo:
            arrow = "  → " if line.verdict == "failed" else "    "
            self.say(f"{arrow}{page.todo(line)}")

    def end(self, done: Done) -> None:
        """The verdict, and where the sheet is."""
        sheet = done.sheet
        counted = {verdict: sheet.counted(verdict) for verdict in ("passed", "failed", "skipped")}
        verdict = _(words.VERDICTS[sheet.verdict])
        self.say(_(words.SAID["verdict"]).format(unit=sheet.unit, verdict=verdict, **counted))
        self.say(_(words.SAID["kept"]).format(why=done.why_kept) if done.why_kept else _(words.SAID["delivered"]))
        self.say(_(words.SAID["page"]).format(path=done.path.with_suffix(".html")))

    def toggle(self, name: str, seconds: float) -> None:
        """Ask for a switch to be moved and moved back."""
        self.say(_(words.SAID["toggle"]).format(title=_(words.TITLES[name]), seconds=round(seconds)))

    def saw(self, name: str, on: bool) -> None:
        """What the box sees."""
        self.say(f"  {_(words.TITLES[name])}: {_(words.SAID['saw_on' if on else 'saw_off'])}")

    def heard_clicks(self, of: str) -> bool:
        """Ask for a yes or a no; whoever goes away has not heard it."""
        self.say(_(words.SAID["click_of"]).format(cameras=of) if of else _(words.SAID["click"]))
        return sys.stdin.readline().strip().lower()[:1] == "y"  # yes, ya


def _probes(limits: CheckConfig, box: Box, person: Screen | None, post: Post, connect: Connect, by: str) -> list[Probe]:
    """In the order in which a technician can do something about them; `box.probes` are those of its kind alone."""
    return [
        Probe("power", AT_ONCE_S, lambda _s: computer.power(limits.power)),
        Probe("watchdog", AT_ONCE_S, lambda _s: computer.watchdog(limits.watchdog)),
        Probe("packages", AT_ONCE_S, lambda _s: computer.packages(limits.packages)),
        Probe("card", AT_ONCE_S, lambda _s: card.card(limits.files.directory, limits.card)),
        *box.probes(limits, person),
        Probe("modem", limits.modem.within_s, lambda s: modem.modem(limits.modem, s)),
        Probe("clock_source", AT_ONCE_S, lambda _s: clock_source()),
        Probe("centre", limits.centre.within_s, lambda s: round_trip(post, connect, limits.centre, s, by=by)),
    ]


def _who(box: Box, by: str, *, attended: bool) -> Who:
    certificate = box.broker.certificate_path.read_bytes()
    try:
        key = load_key(box.broker.key_path.read_bytes(), str(box.broker.key_path))
        name = identity_of(x509.load_pem_x509_certificate(certificate)).name
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{box.broker.certificate_path} and {box.broker.key_path}: {error}") from error
    if name != box.unit.id:
        raise ConfigError(_("unit.toml says {unit}, its certificate says {name}").format(unit=box.unit.id, name=name))
    return Who(unit=name, by=by, attended=attended, key=key, certificate=certificate)


def _post(folder: Path, box: Box, clock: Clock) -> Post:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Post(folder, box.unit.id, clock)
    except PermissionError as error:
        raise CheckRefused(
            _("{folder}: {why}; run it as the box's own user").format(folder=folder, why=error.strerror)
        ) from error
    except OSError as error:
        raise CheckRefused(f"{folder}: {error.strerror}") from error


def _connect(box: Box, clock: Clock) -> Connect:
    broker = box.broker
    identity = Identity(ca_path=broker.ca_path, certificate_path=broker.certificate_path, key_path=broker.key_path)
    name = box.unit.id
    return lambda: Visit(identity, name, broker.host, broker.port, clock, hear=receipt(name), within_s=DELIVERY_S / 2)


class CheckRefused(PantauError, OSError):
    """The check cannot begin: nothing was measured."""
