"""`pantau-provision adopt`: which cameras answer at a pole, and one of them taken into the box's files by a person."""

import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from typer import Argument, BadParameter, Exit, Option

from pantau.plain import plain
from pantau.provision.check import UNIT_FILE
from pantau.store import AsJson
from provisioning.words import _

if TYPE_CHECKING:
    from pantau.provision.offers import Found, Told

EXIT_NONE = 1
USUAL_PORT = 80


def adopt(
    address: Annotated[str, Argument(help="The camera's address; without one, what answers is listed.")] = "",
    name: Annotated[str, Option(help="What it is called in records from now on, e.g. north.")] = "",
    user: Annotated[str, Option(help="The user on the camera; the password is asked for. None: it has none.")] = "",
    interface: Annotated[str, Option(help="The network port towards the cameras, e.g. eth0; else unit.toml's.")] = "",
    again: Annotated[
        bool, Option("--again", help="It takes the place of the one of that name: a camera that was changed.")
    ] = False,
    port: Annotated[int, Option(min=0, max=65535, help="Its ONVIF port; 0: as it says itself, else 80.")] = 0,
    unit: Annotated[Path, Option("--unit", help="The box's unit.toml.")] = UNIT_FILE,
    as_json: AsJson = False,
) -> None:
    """List the cameras behind this box that answer, or adopt one: it is asked who it is, and judged from then on.

    A password is typed, or the first line of the standard input; it stands in passwords.toml only. A wrong one is
    shown to the camera up to three times, and many lock after five: look twice.

    Exit 0 done, 1 no camera answers or it refuses, 78 a file is wrong.
    """
    from edge.camera_node.config import load_node
    from pantau.provision.adoption import Files
    from pantau.provision.cameras import interpreter
    from pantau.provision.offers import NoOffer, Offers

    node, python = load_node(unit), interpreter()
    if python is None:
        raise NoOffer(_("the package pantau-camera-node is not installed here"))
    towards = interface or node.pole.interface or ""
    adopted = {urlsplit(camera.url).hostname or "": camera.name for camera in node.cameras}
    offers = Offers(python, node.documents.path.parent)
    if not address:
        if not towards:
            raise BadParameter(_("which network port do the cameras hang on? --interface eth0, never the SIM's"))
        _list(offers.found(towards), adopted, towards, as_json=as_json)
        return
    if not name:
        raise BadParameter(_("wanted --name: what it is called in records, e.g. north"))
    if address in adopted and not (again and adopted[address] == name):
        raise NoOffer(_("{address} is adopted already, as {name}").format(address=address, name=adopted[address]))
    files = Files(unit, node)
    files.may_be_called(name, again=again)  # before a password is shown to anybody
    answering = {one.address: one.onvif_port for one in offers.found(towards)} if towards and not port else {}
    onvif_port = port or answering.get(address, USUAL_PORT)
    password = _typed() if user else ""
    told = offers.told(address, onvif_port, user, password)
    camera = _camera(name, onvif_port, told)
    files.take(camera, user, password)
    if as_json:
        print(json.dumps({**camera, "manufacturer": told.manufacturer, "model": told.model}))
        return
    first = told.streams[0]
    who = " ".join(filter(None, (told.manufacturer, told.model, told.serial_number)))
    print(f"{name}: {who}, {first.codec} {first.width_px}x{first.height_px}, {plain(first.url)}")
    print(_("adopted; now: systemctl restart pantau-camera-node, then pantau-provision check"))


def _camera(name: str, onvif_port: int, told: "Told") -> dict[str, str | int | None]:
    """Its table in unit.toml."""
    return {
        "name": name,
        "url": told.streams[0].url,
        "small_url": None if told.small is None else told.small.url,
        "serial_number": told.serial_number or None,
        "onvif_port": onvif_port,
    }


def _list(found: "Sequence[Found]", adopted: Mapping[str, str], towards: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**asdict(one), "adopted": adopted.get(one.address)} for one in found]))
    else:
        for one in found:
            known = adopted.get(one.address)
            state = _("adopted as {name}").format(name=known) if known else _("not adopted")
            said = plain(f"{one.name} {one.hardware}")
            print(f"{one.address:<15}  {one.onvif_port:<5}  {said}".rstrip() + f"  {state}")
    if not found:
        sys.stderr.write("pantau-provision: " + _("no camera answers on {port}").format(port=towards) + "\n")
        raise Exit(EXIT_NONE)


def _typed() -> str:
    """The password, unseen, or from whoever pipes it in."""
    return getpass.getpass(_("password: ")) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
