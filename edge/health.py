"""The box's own account of itself: sampled each minute, sent along with a report, at most hourly when idle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import statvfs
from pathlib import Path
from typing import Protocol

from edge.budget import Budget, Spent
from edge.clock import Clock
from edge.outbox import Account
from edge.today import Today, Traffic
from wire import encode

SAMPLE_S = 60.0
# With a report a health record costs its own bytes only; every ten minutes is 10 kB a day. Alone it costs a publish.
BESIDE_REPORT_S = 600.0
IDLE_S = 3600.0
BESIDE_PARKED_S = 3300.0  # hourly as well, but beside the report that comes next before the hour is over, not alone


class Accountable(Protocol):
    """What health asks of the outbox."""

    def account(self) -> Account | None:
        """Depth, holdings and losses; None while the file cannot be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the figures come from; counts are by reason since the process began, `modem` is what encode.modem made."""

    traffic: Callable[[], Traffic]
    rejected: Callable[[], Mapping[str, int]]
    unobserved: Callable[[], Mapping[str, int]]
    modem: Callable[[], bytes | None] = lambda: None
    spent: Callable[[], Spent] = Spent


class Machine:
    """What the computer tells about itself; None where it tells nothing."""

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._temperature = sys / "class/thermal/thermal_zone0/temp"
        self._uptime = proc / "uptime"
        # Raspberry Pi's firmware behind hwmon; the alarm sticks until it is read (raspberrypi-hwmon.c).
        self._undervoltage = next(
            (
                folder / "in0_lcrit_alarm"
                for folder in sorted((sys / "class/hwmon").glob("hwmon*"))
                if _text(folder / "name") == "rpi_volt"
            ),
            None,
        )

    def cpu_decidegree_c(self) -> int | None:
        """Temperature of the CPU in 0.1 degrees Celsius."""
        text = _text(self._temperature)
        try:
            return None if text is None else round(int(text) / 100)  # the kernel gives 0.001 degrees
        except ValueError:
            return None

    def undervoltage(self) -> bool | None:
        """Whether the supply was too low since it was asked last."""
        text = None if self._undervoltage is None else _text(self._undervoltage)
        return None if text is None else text != "0"

    def uptime_s(self) -> int:
        """Seconds since boot; 0 where the kernel does not say."""
        return int(float((_text(self._uptime) or "0").split()[0]))


class Health:
    """Builds the health record, and says when it is worth sending one."""

    def __init__(
        self,
        outbox: Accountable,
        clock: Clock,
        sources: Sources,
        *,
        today: Today,
        firmware: str,
        disk: Path,
        machine: Machine | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._sources = sources
        self._today = today
        self._firmware = firmware
        self._disk = disk
        self._machine = machine or Machine()
        self._budget = budget
        self._next_sample_s = 0.0
        self._sent_s: float | None = None
        self._hottest: int | None = None
        self._undervoltage: bool | None = None

    def sample(self) -> None:
        """Call at every turn; looks at the machine each minute, so that a short dip is not missed."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_sample_s:
            return
        self._next_sample_s = now_s + SAMPLE_S
        degrees = self._machine.cpu_decidegree_c()
        if degrees is not None:
            self._hottest = degrees if self._hottest is None else max(self._hottest, degrees)
        if (low := self._machine.undervoltage()) is not None:
            self._undervoltage = low or bool(self._undervoltage)
        self._today.count(self._sources.traffic())
        self._count_budget()

    def ask(self) -> None:
        """Somebody wants one now."""
        self._sent_s = None

    def due(self, *, reporting: bool, parked: bool = False) -> bool:
        """Whether to append one now: sooner when a report goes anyway, but hourly all the same while parked."""
        if self._sent_s is None:
            return True
        beside_s = BESIDE_PARKED_S if parked else BESIDE_REPORT_S
        return self._clock.monotonic_s() - self._sent_s >= (beside_s if reporting else IDLE_S)

    def body(self) -> bytes | None:
        """The record, to be appended at once (its account is judged by its own seq); None while the outbox is shut."""
        account = self._outbox.account()
        if account is None:
            return None
        today = self._today.count(self._sources.traffic())
        self._count_budget()
        return encode.health(
            at=(self._clock.utc_ms(), self._clock.boot_id, self._clock.boottime_ms()),
            holdings=account.holdings,
            rows=account.rows,
            bytes_on_disk=account.bytes_on_disk,
            oldest_age_s=account.oldest_age_s or 0,
            shed_by_reason=account.shed_by_reason,
            rejected_by_reason=_counted(self._sources.rejected()),
            reconnects_today=today.reconnects,
            bytes_up_today=today.up_bytes,
            bytes_down_today=today.down_bytes,
            cpu_decidegree_c=self._hottest,
            undervoltage=self._undervoltage,
            disk_free_bytes=_free_bytes(self._disk),
            uptime_s=self._machine.uptime_s(),
            firmware=self._firmware,
            unobserved_by_reason=_counted(self._sources.unobserved()),
            modem=self._sources.modem(),
            sim=None if self._budget is None else self._budget.body(),
        )

    def sent(self) -> None:
        """The record is in the outbox: what was the worst since the last one begins anew."""
        self._sent_s = self._clock.monotonic_s()
        self._hottest = self._undervoltage = None
        self._next_sample_s = 0.0
        self._today.save()
        if self._budget is not None:
            self._budget.save()

    def _count_budget(self) -> None:
        if self._budget is not None:
            self._budget.count(self._sources.spent())


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}


def _free_bytes(folder: Path) -> int:
    try:
        state = statvfs(folder)
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


def _text(path: Path) -> str | None:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return None
