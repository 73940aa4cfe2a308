"""What is wrong in a configuration file, in the words of whoever has to put it right."""

from collections.abc import Sequence
from dataclasses import dataclass

from wire.errors import PantauError

# sysexits.h EX_CONFIG; systemd's RestartPreventExitStatus names it: only an edited file helps.
EXIT_CONFIG = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to put right: the key, the value as it stands (None = absent) and what would be right."""

    key: str
    value: str | None
    wanted: str

    def __str__(self) -> str:
        found = "missing" if self.value is None else f"is {self.value}"
        return f"{self.key} {found}: {self.wanted}"


class ConfigError(PantauError, ValueError):
    """The configuration cannot be run. Exit 78, and systemd does not restart.

    `where` is the file and `problems` all that is wrong in it, or `where` alone says what is wrong.
    """

    def __init__(self, where: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{where}: {count}", *(f"  {each}" for each in problems)]) if problems else where)
