"""A process that others keep from the CPU is seen to wait, and one that is not is not."""

import os
import subprocess
import sys
import time

from torture.cpu_queue import CpuQueue

BUSY = "while True: pass"


def waited_s(rivals: int) -> float:
    """Of a busy process on one CPU beside so many others."""
    cpu = {min(os.sched_getaffinity(0))}
    command = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {cpu}); os.nice(5)\n{BUSY}"]
    children = [subprocess.Popen(command) for _ in range(1 + rivals)]
    queue = CpuQueue()
    try:
        until_s = time.monotonic() + 1.2
        while time.monotonic() < until_s:
            queue.look(children[0].pid)
            time.sleep(0.02)
        return queue.waited_s(children[0].pid)
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_a_process_beside_three_rivals_on_its_cpu_waits_for_most_of_the_time():
    assert waited_s(rivals=3) > 0.3


def test_a_process_that_is_gone_or_was_never_looked_at_has_not_waited():
    queue = CpuQueue()
    queue.look(2**22 + 1)  # above the kernel's largest pid
    assert queue.waited_s(2**22 + 1) == 0.0
