"""When a process that has its port open waits for a byte, as seen from outside."""

from __future__ import annotations

from pathlib import Path


def waits_for_a_byte(pid: int) -> bool:
    """Whether the process's main thread sleeps, and not for another of its threads (the interpreter's lock, a futex).

    proc_pid_stat(5): the state stands behind the name. proc_pid_wchan(5): where in the kernel it sleeps; "0" of one
    that does not, and on kernels that do not tell.
    """
    try:
        asleep = _state(pid) == "S"
        where = Path(f"/proc/{pid}/wchan").read_text("ascii")
        return asleep and "futex" not in where and _state(pid) == "S"
    except OSError:
        return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
