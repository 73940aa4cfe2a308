"""The verbs of `pantau`: each is imported when it is called, so that a box needs only its own extras."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from pantau.extras import extra_of

BOX, CENTRE, TRY = "On a box", "At the centre", "To try it out"


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb's function is, and under which heading the help lists it."""

    module: str
    function: str
    panel: str


VERBS = {
    "decode": Verb("pantau.decode", "decode", BOX),
    "outbox": Verb("pantau.outbox", "outbox", BOX),
    "watch": Verb("pantau.watch", "watch", CENTRE),
    "export": Verb("pantau.export", "export", CENTRE),
    "replay": Verb("pantau.replay", "replay", CENTRE),
    "ledger": Verb("pantau.ledger", "ledger", CENTRE),
    "assets": Verb("pantau.store", "assets", CENTRE),
    "command": Verb("pantau.command", "command", CENTRE),
    "configure": Verb("pantau.configure", "configure", CENTRE),
    "rederive": Verb("pantau.store", "rederive", CENTRE),
    "purge": Verb("pantau.store", "purge", CENTRE),
    "hours": Verb("pantau.hours", "hours", CENTRE),
    "sessions": Verb("pantau.sessions", "sessions", CENTRE),
    "nearest": Verb("pantau.nearest", "nearest", CENTRE),
    "cameras": Verb("pantau.cameras", "cameras", CENTRE),
    "judge": Verb("pantau.judge", "judge", TRY),
    "sos": Verb("pantau.sos", "sos", CENTRE),
    "run": Verb("pantau.run", "run", TRY),
    "simulate": Verb("pantau.simulate", "simulate", TRY),
    "torture": Verb("pantau.torture", "torture", TRY),
    "soak": Verb("pantau.soak", "soak", TRY),
}


class LazyVerbs(TyperGroup):
    """A group whose commands are made when they are asked for. (Typer brings its own click, or click: hence Any.)"""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """The verb's command, imported now; None when there is no such verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        loose = {"ignore_unknown_options": True, "allow_extra_args": True}
        try:
            one.command(cmd_name, rich_help_panel=verb.panel)(_function(verb))
        except ModuleNotFoundError as error:
            one.command(cmd_name, rich_help_panel=verb.panel, context_settings=loose)(_absent(error))
        return get_command(one)


def _function(verb: Verb) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(import_module(verb.module), verb.function)
    return function


def _absent(error: ModuleNotFoundError) -> Callable[[], None]:
    """A verb whose extra is not installed: listed in the help, and says what to install when it is called."""
    extra = extra_of(error)
    if extra is None:
        raise error

    def absent() -> None:
        raise error

    absent.__doc__ = f"(not here: needs the extra {extra})"
    return absent


app = typer.Typer(cls=LazyVerbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def pantau() -> None:
    """pantau keeps an eye on a city's vehicles: what a box has recorded arrives once, or is named as lost.

    `pantau VERB --help` explains one verb. The boxes themselves are started by systemd, not from here.
    """
