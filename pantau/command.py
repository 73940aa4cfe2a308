"""`pantau command`: tell a unit to do something, and hear what became of it."""

import getpass
import json
import sys
import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from pantau.plain import plain
from pantau.store import AsJson
from wire.errors import PantauError

CentreConfigFile = Annotated[Path, Option("--config", help="The centre's configuration, on its own machine.")]
LOOK_EVERY_S = 0.5
EXIT_FAILED, EXIT_NO_ANSWER = 1, 3


def command(
    unit: Annotated[str, Argument(help="The unit to tell.")],
    verb: Annotated[
        str,
        Argument(help="ping, report, burst, mission, ..., or a camera node's snapshot, live, ... (docs/remote.md)."),
    ],
    config: CentreConfigFile,
    arguments: Annotated[
        list[str] | None, Argument(help="What the verb wants: burst MINUTES, live CAMERA URL SECONDS.")
    ] = None,
    good_for_s: Annotated[float, Option(metavar="S", help="After this long it is not done any more.")] = 600.0,
    wait: Annotated[bool, Option("--wait", help="Wait for the result; exit 1: it failed, 3: none came.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a unit told to do something once; the bridge sends it until its result is stored or it has expired.

    Who ordered what and when is kept; `pantau configure UNIT --show` lists it. There is no verb that runs a program.
    """
    from broker.config import load_centre
    from broker.downlink import Downlink
    from broker.orders import order

    with Downlink(load_centre(config).downlink_path) as downlink:
        try:
            made = order(
                downlink,
                unit,
                verb,
                arguments or [],
                who=getpass.getuser(),
                now_utc_ms=_utc_ms(),
                good_for_s=good_for_s,
            )
        except PantauError as error:
            print(f"pantau command: {error}", file=sys.stderr)
            raise Exit(2) from error
        answer = downlink.answer(made.id)
        while wait and answer is None and _utc_ms() < made.expires_utc_ms:
            time.sleep(LOOK_EVERY_S)
            answer = downlink.answer(made.id)
    ok, detail = (None, None) if answer is None else (answer.ok, answer.detail)
    if as_json:
        print(json.dumps({"id": made.id, "unit": unit, "verb": verb, "ok": ok, "detail": detail}))
    elif answer is None:
        print(f"{made.id} {'no answer' if wait else 'ordered'}")
    else:
        print(f"{'done' if ok else 'refused'}: {plain(detail or '')}")
    if wait and not ok:
        raise Exit(EXIT_NO_ANSWER if ok is None else EXIT_FAILED)


def _utc_ms() -> int:
    return int(time.time() * 1000)
