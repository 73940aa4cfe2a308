"""Help and usage errors in the person's language: what a verb says of itself, and the words that typer brings.

Typer makes its commands when the program runs, and there they are translated. Of its own words it gives only those of
`rich_utils` by name; the rest is known by its English pattern, and said in English when a release words it otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from string import Formatter
from typing import Any, Final

from typer import BadParameter, rich_utils
from typer.core import TyperCommand, TyperGroup

from provisioning.words import _

UsageError: Final[Any] = BadParameter.__base__  # click's; typer brings a click of its own, and does not name it
USAGE: Final = "Usage: "
# How typer names the parts of a verb's help, by the name of its constant (rich_utils.py, "Fixed strings").
PARTS: Final = {
    name: getattr(rich_utils, name)
    for name in (
        "DEFAULT_STRING",
        "ENVVAR_STRING",
        "REQUIRED_LONG_STRING",
        "ARGUMENTS_PANEL_TITLE",
        "OPTIONS_PANEL_TITLE",
        "COMMANDS_PANEL_TITLE",
        "ERRORS_PANEL_TITLE",
        "ABORTED_TEXT",
        "RICH_HELP",
    )
}
# What is said of a wrong command line; the first that fits. A value is looked up here itself.
ERRORS: Final = (
    "Missing command.",
    "Missing option {name}.",
    "Missing argument {name}.",
    "No such option: {name} (Possible options: {names})",
    "No such option: {name}",
    "No such command {name}. Did you mean {names}?",
    "No such command {name}.",
    "Option {name} requires an argument.",
    "Got unexpected extra argument(s) ({names})",
    "Got unexpected extra argument ({name})",
    "Got unexpected extra arguments ({names})",
    "Invalid value for {name}: {why}",
    "Invalid value: {why}",
    "{value} is not a valid {kind}.",
    "{value} is not in the range {limits}.",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be greater than or equal to {limit}",
    "Input should be less than or equal to {limit}",
    "integer",
    "integer range",
    "float",
    "float range",
)


class Verb(TyperCommand):
    """A verb that explains itself in the person's language."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        _translate(self)

    def get_help_option(self, ctx: Any) -> Any:
        """--help, with its own line in the list."""
        return _translated_help(super().get_help_option(ctx))

    def get_usage(self, ctx: Any) -> str:
        """The first line of the help and of an error."""
        return super().get_usage(ctx).replace(USAGE, _(USAGE), 1)


class Verbs(TyperGroup):
    """Verbs, and whatever goes wrong while one is called, in the person's language."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        _translate(self)
        self.subcommand_metavar = _(self.subcommand_metavar or "")

    def get_help_option(self, ctx: Any) -> Any:
        """--help, with its own line in the list."""
        return _translated_help(super().get_help_option(ctx))

    def get_usage(self, ctx: Any) -> str:
        """The first line of the help and of an error."""
        return super().get_usage(ctx).replace(USAGE, _(USAGE), 1)

    def main(self, *args: Any, **more: Any) -> Any:
        """Run; typer draws help and errors with the words that stand in `rich_utils` by then."""
        for name, text in PARTS.items():
            setattr(rich_utils, name, _(text))
        return super().main(*args, **more)

    def make_context(self, *args: Any, **more: Any) -> Any:
        """What is wrong before the verb."""
        with _errors_translated():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """What is wrong from the verb on."""
        with _errors_translated():
            return super().invoke(ctx)


def translated_error(text: str) -> str:
    """What click said of a wrong command line, in the person's language; as it is when nothing here fits."""
    for pattern in ERRORS:
        if found := _expression(pattern).fullmatch(text):
            return _(pattern).format(**{name: translated_error(value) for name, value in found.groupdict().items()})
    return text


def _translate(command: Any) -> None:
    for part in ("help", "short_help", "epilog", "rich_help_panel", "options_metavar"):
        if isinstance(text := getattr(command, part), str) and text:  # gettext's "" is the catalogue's head
            setattr(command, part, _(text))
    for param in command.params:
        param.help = _(param.help) if param.help else param.help


def _translated_help(option: Any) -> Any:
    if option is not None:
        option.help = _(option.help)
    return option


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        said = error.format_message()
        if (told := translated_error(said)) == said:
            raise
        raise UsageError(told, error.ctx) from error


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of ERRORS as an expression with a group for each of its values."""
    parts = (
        re.escape(text) + (f"(?P<{name}>.+?)" if name else "") for text, name, _s, _c in Formatter().parse(pattern)
    )
    return re.compile("".join(parts), re.DOTALL)
