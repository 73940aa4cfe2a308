"""`pantau simulate`: a receiver on a pty, without a vehicle and without a sky."""

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from edge.sim.nmea import Epoch
from edge.sim.receiver import SimulatedReceiver, recorded, synthetic

VERBS = "lose_fix, find_fix, unplug, replug, freeze, thaw, step_clock SECONDS, garbage BYTES, quit"


def simulate(
    log: Annotated[Path | None, Option(exists=True, dir_okay=False, help="Play this receiver log instead.")] = None,
    as_recorded: Annotated[
        bool, Option("--as-recorded", help="Play the log byte for byte, with its own dates, not as if it were now.")
    ] = False,
    speed: Annotated[float, Option(min=0.1, max=1000, help="How many times faster than real time.")] = 1.0,
    loop: Annotated[bool, Option("--loop", help="Begin the log again when it ends.")] = False,
    link: Annotated[Path | None, Option(help="Keep a link of this name to the port, also after a replug.")] = None,
    control: Annotated[Path | None, Option(help="Take commands from this FIFO too (made when missing).")] = None,
    seed: Annotated[int, Option(help="Another number is another drive.")] = 0,
) -> None:
    """Simulate a GNSS receiver: prints its port; a gps_unit listens to it like to a real one.

    Without --log it drives through Jakarta for ever: cold start, traffic lights, street canyons, tunnels.
    While it runs, type what happens to it: lose_fix, find_fix, unplug, replug, freeze, thaw, step_clock SECONDS,
    garbage BYTES, quit.
    """
    if as_recorded and log is None:
        print("--as-recorded needs --log", file=sys.stderr)
        raise Exit(2)
    receiver = SimulatedReceiver(_epochs(log, as_recorded, speed, loop, seed), link=link)
    print(receiver.tty, flush=True)
    stop = threading.Event()
    player = threading.Thread(target=receiver.play, args=(stop,), name="receiver")
    player.start()
    try:
        with _inputs(control) as inputs:
            _obey(receiver, inputs, player)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        stop.set()
        player.join()
        receiver.close()


def _epochs(log: Path | None, as_recorded: bool, speed: float, loop: bool, seed: int) -> Iterator[Epoch]:
    now_ms = time.time_ns() // 1_000_000
    if log is None:
        return synthetic(now_ms, seed=seed, speed=speed)
    return recorded(log.read_bytes(), now_ms, speed=speed, as_recorded=as_recorded, loop=loop)


class _inputs:  # noqa: N801 - a context manager, used like a function
    """File descriptors that commands come from: standard input, and the FIFO when there is one."""

    def __init__(self, control: Path | None) -> None:
        self._control = control
        self._fifo: int | None = None

    def __enter__(self) -> list[int]:
        if self._control is not None:
            if not self._control.is_fifo():
                os.mkfifo(self._control)
            # Opened for writing too: else it would end when the first `echo … > FIFO` does.
            self._fifo = os.open(self._control, os.O_RDWR | os.O_NONBLOCK)
        return [sys.stdin.fileno()] + ([] if self._fifo is None else [self._fifo])

    def __exit__(self, *_: object) -> None:
        if self._fifo is not None:
            os.close(self._fifo)


def _obey(receiver: SimulatedReceiver, inputs: list[int], player: threading.Thread) -> None:
    """Carry out commands until `quit`, or until the log has ended."""
    held = dict.fromkeys(inputs, b"")
    while player.is_alive():
        for fd in select.select(list(held), [], [], 0.2)[0]:
            data = os.read(fd, 1024)
            if not data:  # standard input is closed (a service): go on without it
                del held[fd]
                continue
            *lines, held[fd] = (held[fd] + data).split(b"\n")
            for line in lines:
                if line.strip() == b"quit":
                    return
                _do(receiver, line.decode("utf-8", "replace").split())


def _do(receiver: SimulatedReceiver, words: list[str]) -> None:
    plain: dict[str, Callable[[], None]] = {
        "lose_fix": receiver.lose_fix,
        "find_fix": receiver.find_fix,
        "unplug": receiver.unplug,
        "replug": receiver.replug,
        "freeze": receiver.freeze,
        "thaw": receiver.thaw,
    }
    try:
        match words:
            case []:
                return
            case [verb] if verb in plain:
                plain[verb]()
            case ["garbage", size]:
                receiver.garbage(min(max(int(size), 0), 1_000_000))
            case ["step_clock", seconds]:
                receiver.step_clock(float(seconds))
            case _:
                raise ValueError(" ".join(words))
    except (ValueError, OverflowError) as error:
        print(f"not a command: {error} (there are {VERBS})", file=sys.stderr)
        return
    if words == ["replug"]:
        print(receiver.tty, flush=True)
