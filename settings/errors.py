"""What is wrong in a configuration file, in the words of whoever has to put it right."""

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
    """The configuration cannot be run; carries every problem found. Exit 78, and systemd does not restart."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {problem}" for problem in problems)]))
