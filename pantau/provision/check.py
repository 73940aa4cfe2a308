"""`pantau-provision check`: the acceptance check on the box, with a technician beside it or alone at night."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from pantau.store import AsJson

FILE = Path("/etc/pantau/check.toml")
UNIT_FILE = Path("/etc/pantau/unit.toml")
EXIT_FAILED = 1


def check(
    unattended: Annotated[bool, Option("--unattended", help="Nobody is there: nothing is asked, for a timer.")] = False,
    by: Annotated[str, Option(help="Who checks; written on the sheet.")] = "",
    config: Annotated[Path, Option("--config", help="What is good enough; need not be there.")] = FILE,
    unit: Annotated[Path, Option("--unit", help="The box's unit.toml.")] = UNIT_FILE,
    as_json: AsJson = False,
) -> None:
    """Check this box where it is mounted, in ten minutes or less: each line says what to do about it.

    Exit 0 passed and at the centre, 1 something failed or the sheet waits on the box, 78 a file is wrong.
    """
    from pantau.provision.checking import check_box
    from pantau.provision.kinds import load_box
    from provisioning.acceptance.config import load_check
    from provisioning.owner import run_as_owner

    limits = load_check(config, may_be_absent=config == FILE)
    box = load_box(unit)
    code = run_as_owner(limits.files.directory, sys.orig_argv, secrets=box.secrets)
    if code is not None:
        raise Exit(code)
    if not check_box(limits, box, by=by, attended=not unattended, as_json=as_json):
        raise Exit(EXIT_FAILED)
