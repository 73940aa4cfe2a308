"""Asking the system to power off: the only file that does. systemd-logind is asked, so that every service ends well."""

import logging
import subprocess
from collections.abc import Sequence
from typing import Final

log = logging.getLogger(__name__)

ANSWERS_WITHIN_S: Final = 5.0  # of a D-Bus call; the main loop waits for it, and everything is flushed by then


def power_off(command: Sequence[str]) -> str | None:
    """Run the command; None when the system has taken it, else why not. The stop comes as SIGTERM like any other."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=ANSWERS_WITHIN_S,
            check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:  # ValueError: a NUL in a word
        return str(error)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        return lines[-1] if lines else f"exit code {done.returncode}"
    log.info("asked the system to power off")
    return None
