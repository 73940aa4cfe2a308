"""A box's root file system to really do things in: this machine's own, and what is changed is thrown away.

An overlay in a mount namespace of its own, so it takes root, and a kernel that allows it; anywhere else tests skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
_SSH = "/lib/systemd/system/ssh.service"
_MOUNT = """
set -e
mount -t tmpfs box "$1"
mkdir "$1/upper" "$1/work" "$1/system"
mount -t overlay box -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/system"
mount --rbind /dev "$1/system/dev"
mount --rbind /proc "$1/system/proc"
shift
root=$1; shift
for each in "$@"; do
    mkdir -p "$root$each"
    mount --rbind "$each" "$root$each"
done
echo ready
exec sleep infinity
"""


class BoxRoot:
    """`run` is a shell's line as root on the box; the network is this machine's."""

    def __init__(self, home: Path, *, boot: Path) -> None:
        self._home = home
        self._system = home / "system"
        home.mkdir(parents=True)
        self._seen = [sys.prefix, sys.base_prefix, str(REPOSITORY)]
        self._boot = boot

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "chroot", "setpriv", "dpkg"))):
            pytest.skip("a root file system of its own takes root, on a Debian")
        words = [str(self._home), str(self._system), *self._seen]
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != "ready\n":
            self._holder.wait(10)
            pytest.skip(f"no root file system of its own here: {self._holder.stderr.read().strip()}")
        self._outside("mkdir", "-p", f"{self._system}/boot/firmware")
        self._outside("mount", "--bind", str(self._boot), f"{self._system}/boot/firmware")
        unit = r"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
        self.run(f"test -e {_SSH} || printf '{unit}' >{_SSH}")  # as the image has it; this machine may have no sshd
        for each in self._seen:  # the box's own user runs this Python, too
            for above in Path(each).parents:
                self.run(f"chmod a+x '{above}'")
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.terminate()
        self._holder.communicate(timeout=10)

    def run(self, line: str, *, user: str = "root", code: int = 0) -> str:
        """What a shell's line said; its exit code is the one expected."""
        whole = f"cd / && umask 022 && {line}"
        inside = ["sh", "-c", whole] if user == "root" else [
            "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "sh", "-c", whole
        ]  # fmt: skip
        done = self._inside("chroot", str(self._system), *inside)
        assert done.returncode == code, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def provision(self, words: str, *, user: str = "root", code: int = 0) -> str:
        """A `pantau-provision` command on the box."""
        return self.run(self.command(words), user=user, code=code)

    def command(self, words: str) -> str:
        """The same as part of a shell's line."""
        return f"env PYTHONPATH={REPOSITORY} {sys.executable} -m pantau.provision {words}"

    def _outside(self, *words: str) -> None:
        done = self._inside(*words)
        assert done.returncode == 0, done.stderr

    def _inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SYSTEMD_OFFLINE": "1"}
        return subprocess.run(
            [*enter, *words], capture_output=True, text=True, timeout=120, check=False, env=environment
        )
