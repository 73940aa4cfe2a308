"""A Debian root file system to install packages into: a folder, a network namespace without any link, and chroot."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What a box has before pantau comes: the packages' Depends, and nothing to fetch others with.
THERE: Final = ("python3", "systemd", "init-system-helpers", "mosquitto")
ON_ARM: Final = {"armhf": ("python3-cffi-backend",)}
PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"

# $0 is the root; /dev is the machine's own, /proc what this process may see of it.
ENTER: Final = 'ip link set lo up && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$@"'
# A service may write where its unit says, as under ProtectSystem=strict, or on a box with a read-only root.
SEAL: Final = """
mount --bind "$0" "$0"
for writable in run var/lib/pantau; do mount --bind "$0/$writable" "$0/$writable" || exit; done
mount -t tmpfs tmpfs "$0/tmp" && mount -o remount,bind,ro "$0" || exit
"""


def why_not(architecture: str) -> str | None:
    """Why no root file system can be made here; None when it can."""
    if os.geteuid() != 0:
        return "only root may chroot and mount"
    missing = [tool for tool in ("mmdebstrap", "unshare", "chroot", "ip") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not here: make packages-test installs what is missing"
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode:
        return "no right to make namespaces"
    if mirror() is None:
        return "apt knows no mirror of Debian's here (apt-get update)"
    if architecture != native() and not any(Path("/proc/sys/fs/binfmt_misc").glob("qemu-*")):
        return f"no emulator registered for {architecture}: make packages-arm64-test does that"
    return None


def native() -> str:
    """This machine's architecture as Debian calls it; "" where dpkg is not here."""
    if shutil.which("dpkg") is None:
        return ""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def mirror() -> str | None:
    """Debian's mirror that this machine's apt uses; None when it uses none."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(SITE)", "Identifier: Packages"]
    if shutil.which("apt-get") is None:
        return None
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    sites = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("Debian Debian ")]
    return sites[0] if sites else None


def make_base(suite: str, architecture: str, tar: Path) -> str | None:
    """Make the root file system as a tar, unless it is there; why it could not be made, or None."""
    if tar.exists():
        return None
    tar.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tar.with_suffix(".new.tar")
    there = ",".join((*THERE, *ON_ARM.get(architecture, ())))
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={there}", f"--architectures={architecture}",
            suite, str(unfinished), str(mirror()),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return f"{suite} {architecture}: {done.stderr.strip().splitlines()[-1]}"
    unfinished.rename(tar)
    return None


@contextmanager
def fresh(base: Path, folder: Path) -> Iterator[Path]:
    """`base` as it was unpacked, to be changed: what is written to it goes to `folder`."""
    path, upper, work = folder / "root", folder / "upper", folder / "work"
    for each in (path, upper, work):
        each.mkdir()
    options = f"lowerdir={base},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
        subprocess.run(["rm", "-rf", upper, work], check=True)


@dataclass(frozen=True, slots=True)
class Root:
    """One root file system; every command in it runs without a network, only the loopback is up."""

    path: Path

    def run(
        self, *words: str, user: str = "root", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, to its end."""
        return subprocess.run(
            self._entered(words, user), env=self._environment(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280,
        )  # fmt: skip

    def demand(self, *words: str, user: str = "root") -> str:
        """Run a command that has to succeed; what it printed."""
        done = self.run(*words, user=user)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}"
        return done.stdout

    @contextmanager
    def started(self, unit: str) -> Iterator[subprocess.Popen[str]]:
        """The service as its unit says: ExecStart, User, RuntimeDirectory, LoadCredential, and a manager that listens.

        Everything but its state and /run is read-only to it. When it is `Type=notify` it has sent READY=1 and fed the
        watchdog. It is stopped with SIGTERM and has to end cleanly.
        """
        said = self.unit(unit)
        words = said["ExecStart"].split()
        environment: dict[str, str] = {}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            if said["Type"] == "notify":
                notify = self.path / "run" / "notify"
                manager.bind(str(notify))
                notify.chmod(0o666)
                environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": f"{int(said['WatchdogSec'])}000000"}
            if directory := said.get("RuntimeDirectory"):
                (self.path / "run" / directory).mkdir()
                self.demand("chown", f"{said['User']}:{said['Group']}", f"/run/{directory}")
            if credential := said.get("LoadCredential"):
                environment["CREDENTIALS_DIRECTORY"] = self._handed_over(credential, said["User"])
            process = subprocess.Popen(
                self._entered(words, said["User"], SEAL + ENTER), env=self._environment(environment),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            try:
                if said["Type"] == "notify":
                    self._hear(manager, process, "READY=1")
                    self._hear(manager, process, "WATCHDOG=1")
                yield process
            finally:
                process.terminate()
                output, _ = process.communicate(timeout=60)
                (self.path / "run" / "notify").unlink(missing_ok=True)
                if directory:
                    shutil.rmtree(self.path / "run" / directory)
                shutil.rmtree(self.path / "run" / "credentials", ignore_errors=True)
        # Mosquitto listens before it minds SIGTERM; systemd counts an end by that signal as clean, too.
        clean = (0,) if said["Type"] == "notify" else (0, -signal.SIGTERM)
        assert process.returncode in clean, f"{process.returncode}: {output}"

    def unit(self, name: str) -> dict[str, str]:
        """The [Service] settings of an installed unit; the last of each counts."""
        file = next(each for each in (self.path / "usr/lib/systemd/system").glob(name))
        lines = file.read_text("utf-8").split("[Service]")[1].split("\n[")[0].splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def files(self) -> set[str]:
        """Every path in it."""
        return {str(each.relative_to(self.path)) for each in self.path.rglob("*")}

    def _handed_over(self, credential: str, user: str) -> str:
        """The folder with a copy of the file, which only that user may read."""
        name, _, path = credential.partition(":")
        copy = self.path / "run" / "credentials" / name
        copy.parent.mkdir()
        shutil.copyfile(self.path / path[1:], copy)
        copy.chmod(0o400)
        self.demand("chown", "--recursive", user, "/run/credentials")
        return "/run/credentials"

    def _entered(self, words: Sequence[str], user: str, enter: str = ENTER) -> list[str]:
        inside = ["unshare", "--net", "--mount", "sh", "-c", enter, str(self.path)]
        return [*inside, f"--userspec={user}:{user}", str(self.path), *words]

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(more or {})}

    def _hear(self, manager: socket.socket, process: subprocess.Popen[str], wanted: str) -> None:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            ready, _, _ = select.select([manager], [], [], 1.0)
            if ready and manager.recv(4096).decode() == wanted:
                return
        process.kill()
        raise AssertionError(f"no {wanted}: {process.communicate()[0]}")
