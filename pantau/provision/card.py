"""`pantau-provision card`: first-boot files onto a card, or into one folder a card for many."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

from pantau.provision.registry import DEFAULT, RegistryPath, office
from pantau.provision.retiring import HOME, Directory
from pantau.store import AsJson
from provisioning import codes
from provisioning.authority import open_authority
from provisioning.card.boot import Boot, read_boot
from provisioning.card.content import CODE, Box, card_files
from provisioning.card.site import CardConfig, load_site, public_keys
from provisioning.card.write import write_card
from provisioning.enrolment import Enrolments
from provisioning.registry import Registry
from provisioning.tables import read_table
from provisioning.values import RegistryError
from provisioning.words import _
from provisioning.x509 import Identity

SITE = Path("/etc/pantau/card.toml")
SitePath = Annotated[Path, Option("--site", envvar="PANTAU_SITE", help="card.toml: what all cards have in common.")]
UnitsCsv = Annotated[
    Path | None,
    Option("--units", metavar="CSV", help="A card for each box of this spreadsheet (as `import` reads it)."),
]
Days = Annotated[float, Option(min=0.01, max=365, help="How long the codes are good.")]
SECRET_FOLDER = 0o700  # there are codes in it


def card(
    boot: Annotated[Path, Argument(help="The card's boot partition (bootfs), where it is mounted.")],
    unit: Annotated[str | None, Option(help="The box that the card is for.")] = None,
    units: UnitsCsv = None,
    out: Annotated[
        Path | None, Option(help="With --units: a folder each in here, to copy onto cards of the same image.")
    ] = None,
    code_file: Annotated[
        Path | None, Option(help="A file with a code that was drawn already, e.g. /dev/stdin; else one is drawn here.")
    ] = None,
    days: Days = codes.LASTS_MS / 86_400_000,
    site: SitePath = SITE,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make a freshly flashed card of Raspberry Pi OS (12 or 13) a box that enrols itself at first power-on.

    Twice is once: a code that is on the card and still good stays. With --units nothing is written to the card itself.
    """
    if (unit is None) == (units is None) or (units is None) != (out is None) or (units is not None and code_file):
        raise BadParameter(_("wanted --unit UNIT, or --units CSV with --out FOLDER"))
    config, found = load_site(site), read_boot(boot)
    code = None if code_file is None else _drawn(code_file)
    names = [unit] if unit is not None else names_in(units)
    with office(path) as registry:
        maker = Maker(
            registry, Enrolments(registry, open_authority(directory)), found, config, round(days * 86_400_000)
        )
        with counted(len(names)) as counts:
            written = {}
            for name in names:
                registry.known_unit(name)  # before a folder is called like it
                target = boot if out is None else _folder(out / name)
                try:
                    written[name] = maker.write(name, target, code)
                except OSError as error:
                    raise RegistryError(f"{target}: {error}") from error
                counts()
    if as_json:
        print(json.dumps({name: {"folder": str(boot if out is None else out / name), "changed": written[name]}
                          for name in names}))  # fmt: skip
    elif out is None:
        told = (
            _("{unit} is on the card: put it into the box and switch on")
            if written[names[0]]
            else _("{unit} is on the card already")
        )
        print(told.format(unit=names[0]))
    else:
        print(_("{count} folders in {out}: copy each one's content onto a card").format(count=len(names), out=out))


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one card after another; `lasts_ms`: how long a code that is drawn for one is good."""

    registry: Registry
    enrolments: Enrolments
    boot: Boot
    site: CardConfig
    lasts_ms: int

    def write(self, name: str, folder: Path, code: str | None = None) -> bool:
        """The card's files into a folder; False when they are there already. Raises RegistryError, OSError."""
        box = self.registry.known_unit(name)
        sim = self.registry.sim(box.iccid) if box.iccid else None
        if code is not None and not self.enrolments.kept_code(name, code):
            raise RegistryError(_("the code is not {unit}'s, or no longer good").format(unit=name))
        given = code or self._on_card(name, folder / CODE)
        if given is None:
            given = self.enrolments.new_code(Identity(name=name, role="unit"), lasts_ms=self.lasts_ms)
        issuer = self.enrolments.issuer
        files = card_files(
            self.boot,
            self.site,
            Box(unit=name, kind=box.kind, code=given, apn="" if sim is None else sim.apn),
            ca_pem=issuer.trusted(),
            keys=public_keys(self.site.login.keys_path),
        )
        packages = self.site.packages.directory
        return write_card(folder, files, [] if packages is None else sorted(packages.glob("*.deb")))

    def _on_card(self, name: str, path: Path) -> str | None:
        if not path.is_file():
            return None
        code = path.read_text("utf-8", errors="replace").strip()
        return code if self.enrolments.kept_code(name, code) else None


def names_in(csv: Path | None) -> list[str]:
    """The boxes of a spreadsheet of units, in its order."""
    assert csv is not None
    try:
        with csv.open(encoding="utf-8-sig", newline="") as file:
            table = read_table(file, str(csv))
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{csv}: {error}") from error
    if table.name != "units":
        raise RegistryError(_("{csv}: wanted a spreadsheet of units, not of {name}").format(csv=csv, name=table.name))
    return [row["unit"] for _line, row in table.rows]


def _drawn(path: Path) -> str:
    """A code out of a file: on a command line everybody on this machine could read it."""
    try:
        code = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path}: {error}") from error
    if len(codes.plain(code)) != codes.GROUP * codes.GROUPS:
        raise RegistryError(_("{path}: wanted a code such as ABCD-EFGH-JKLM").format(path=path))
    return code


@contextmanager
def counted(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr, for more than one."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=total < 2) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def _folder(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=SECRET_FOLDER, exist_ok=True)
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from error
    return path
