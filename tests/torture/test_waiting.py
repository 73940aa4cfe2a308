"""When a process that has its port open waits for a byte, as seen from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from torture.waiting import waits_for_a_byte

WITHIN_S = 30.0
BUSY = """
import select, sys, threading, time
done = threading.Event()
def other():
    while not done.is_set():
        pass
sys.setswitchinterval(1.0)  # the main thread asks for the interpreter's lock, and gets it once a second
threading.Thread(target=other).start()
print("busy", flush=True)
until = time.monotonic() + 3
while time.monotonic() < until:
    pass
done.set()
print("waits", flush=True)
select.select([sys.stdin], [], [])
"""


@pytest.fixture
def busy() -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield child
    child.kill()
    child.communicate()


def test_who_waits_for_the_interpreters_lock_does_not_wait_for_a_byte(busy: "subprocess.Popen[str]") -> None:
    assert busy.stdout is not None and busy.stdout.readline() == "busy\n"
    until_s = time.monotonic() + 2.0
    asleep = 0
    while time.monotonic() < until_s:
        asleep += Path(f"/proc/{busy.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "S"
        assert not waits_for_a_byte(busy.pid)
    assert asleep, "the main thread never waited for the lock: the test shows nothing"
    assert busy.stdout.readline() == "waits\n"
    until_s = time.monotonic() + WITHIN_S
    while not waits_for_a_byte(busy.pid):
        assert time.monotonic() < until_s
        os.sched_yield()


def test_a_process_that_is_gone_waits_for_nothing() -> None:
    assert not waits_for_a_byte(1 << 22)
