"""The centre's parts as child processes: the first to end stops the rest, and nothing is left behind."""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from broker.stopping import Stop
from settings import EXIT_CONFIG

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
START_POLL_S: Final = 0.02
STOP_WITHIN_S: Final = 4.5  # of the 5 s a stop may take; the bridge sends its last receipts in it
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def supervise(
    commands: Mapping[str, Sequence[str]], stop: Stop, *, ready: Mapping[str, Callable[[], bool]] | None = None
) -> int:
    """Run the commands until `stop` or until one ends; 0 when stopped, 78 when one said so, 1 otherwise.

    They are started in order, each when the one before it is `ready` (as far as that can be asked), and stopped in
    reverse, each when the ones after it are gone.
    """
    asked = ready or {}
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        waiting = dict(commands)
        is_ready: Callable[[], bool] | None = None
        while not stop.is_set():
            if waiting and (is_ready is None or is_ready()):
                name = next(iter(waiting))
                # Their own process group: Ctrl-C at a terminal is for this process, which stops them in order.
                children[name] = subprocess.Popen(waiting.pop(name), process_group=0, preexec_fn=_end_with_parent)
                is_ready = asked.get(name)
            for name, child in children.items():
                if (code := child.poll()) is not None:
                    log.error("%s ended (%s); stopping the rest", name, _meaning(code))
                    return EXIT_CONFIG if code == EXIT_CONFIG else 1
            stop.wait(START_POLL_S if waiting else POLL_S)
        return 0
    finally:
        _stop_all(children)


def _stop_all(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    deadline_s = time.monotonic() + STOP_WITHIN_S
    for name, child in reversed(list(children.items())):
        child.terminate()
        try:
            child.wait(max(0.05, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("%s did not stop within %.1f s: killed", name, STOP_WITHIN_S)
            child.kill()
            child.wait()


def _meaning(code: int) -> str:
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name


def _end_with_parent() -> None:
    # Killed with SIGKILL, this process can stop nobody any more: the kernel does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
