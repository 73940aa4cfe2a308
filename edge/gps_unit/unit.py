"""A box as it runs: what its main loop does besides listening, and how it ends."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge import starting
from edge.budget import Budget
from edge.clock import Clock, read_boot_id
from edge.commands import Commands
from edge.desired import Shadow
from edge.gps_unit.listen import Listener
from edge.gps_unit.receiver import Receiver
from edge.gps_unit.record import Recorder, Tally
from edge.memory import Memory
from edge.service import Loop
from edge.uplink import Uplink
from edge.wiring import spent
from wire import encode
from wire.errors import PeerViolation
from wire.kinds import KIND_REPORTED, KIND_RESULT

if TYPE_CHECKING:
    from edge.gps_unit.sos_sms import SosSms
    from edge.gps_unit.vehicle import Vehicle


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Unit:
    """The parts that the main loop turns; `vehicle` is None where nothing is wired. Main thread only."""

    listener: Listener
    recorder: Recorder
    receiver: Receiver
    uplink: Uplink
    commands: Commands
    shadow: Shadow
    budget: Budget
    bulk_bytes_per_s: int  # what the configuration lets the backlog have, before the budget has its say
    vehicle: "Vehicle | None"
    sms: "SosSms | None"  # only with a vehicle
    clock: Clock
    memory: Memory
    tally: Tally
    workers: Mapping[str, Loop]

    def obey(self) -> None:
        """One turn: what the vehicle says, what the centre orders, what it wants configured."""
        self.uplink.limit_backlog(self.budget.backlog_bytes_per_s(self.bulk_bytes_per_s))
        if self.vehicle is not None:
            self.vehicle.turn()
            self.recorder.send_events()
            if self.sms is not None:
                self.sms.turn(self.vehicle.calling, held=self.recorder.alarm_held)
        self._carry_out_commands()
        self._take_desired()
        self._report()

    def cancel(self) -> None:
        """End the read that the main loop waits in; from a signal handler, too."""
        self.receiver.cancel()

    def close(self, clean: bool) -> None:
        """After the last turn; what was counted is kept when every loop has ended by itself."""
        self.receiver.close()
        if clean:
            self.budget.count(spent(self.uplink))
            self.budget.save(at_once=True)
            if self.vehicle is not None:
                self.vehicle.keep()
            leaving = "" if self.vehicle is None else self.vehicle.leaving
            starting.ended(read_boot_id(), self.memory, leaving)

    def _carry_out_commands(self) -> None:
        for payload in self.uplink.take_commands():
            result = self.commands.carry_out(payload)
            if result is not None:
                self.recorder.put(result, KIND_RESULT)

    def _take_desired(self) -> None:
        for payload in self.uplink.take_desired():
            try:
                changed = self.shadow.hear(payload)
            except PeerViolation:
                self.tally.rejected["desired"] += 1
                continue
            if changed:
                leave()
        if self.shadow.turn(receipted=self.uplink.online):
            leave()

    def _report(self) -> None:
        if (report := self.shadow.take_report()) is not None:
            version, said = report
            self.recorder.put(encode.reported(at=self.clock.stamp(), version=version, json=said), KIND_REPORTED)


def leave() -> None:
    """End as if told by systemd, which starts the process anew: what is open is appended, and nothing is half done."""
    signal.raise_signal(signal.SIGTERM)
