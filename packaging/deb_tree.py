"""The folder that a package brings to /usr/lib: wheels and pantau's own code, laid out as Python's environments are.

It is made here and never on the box: `bin/python` is a link to the distribution's own interpreter, and `pyvenv.cfg`
beside it makes the libraries under `lib` the ones it looks at. Compiled modules carry the name of the interpreter they
are for, so one folder serves the Python of Debian 12 and of 13, also across the upgrade from one to the other.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import Requirement

PYTHONS: Final = ("3.11", "3.13")  # Debian 12 and 13, and the Raspberry Pi OS made from each
MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l"}  # Debian's name -> Python's
GLIBC_MINORS: Final = range(36, 16, -1)  # Debian 12 has glibc 2.36; wheels name the oldest one they run with

# What has no wheel for these machines is Debian's there (debian/control), and so the folder lets Debian's be seen
# behind its own: for 32-bit ARM cffi and dbus-fast, and for a board with pins lgpio, which has none for every Python.
FROM_DEBIAN: Final = {"armv7l": frozenset({"cffi", "pycparser", "dbus-fast"}), "aarch64": frozenset[str]()}
# colorzero asks for it and imports nothing of it; it would run a hook at every start of Python.
NEVER: Final = frozenset({"setuptools"})

# Wheels that hold each compiled module as Python, too, and work with that alone, slower. A package for every machine
# takes those; which machine's wheel they come from is all the same.
AS_PYTHON: Final = frozenset({"dbus-fast"})
ANY_WHEEL: Final = "x86_64"

# How and where a wheel was built, for whoever asks: not the same for each Python, and nothing asks.
BUILT_HOW: Final = frozenset({"numpy/__config__.py"})

# What pip keeps for uninstalling (dpkg does that) or what names one wheel only: not the same for each Python.
LEFT_OUT: Final = frozenset({"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "sboms"})


class BuildError(Exception):
    """A package cannot be made; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels are for: a Python, e.g. "3.11", on a machine as Python calls it; None is any machine."""

    python: str
    machine: str | None

    def environment(self) -> dict[str, str]:
        """What the markers of requirements are judged by (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine or "",
            "platform_python_implementation": "CPython",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def tags(self) -> list[str]:
        """pip's options that choose its wheels; for any machine only wheels without compiled code."""
        if self.machine is None:
            return ["--python-version", self.python, "--implementation", "py", "--abi", "none", "--platform", "any"]
        abis = (f"cp{self.python.replace('.', '')}", "abi3", "none")
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in GLIBC_MINORS]
        named = [("--abi", each) for each in abis]
        named += [("--platform", each) for each in (*platforms, f"manylinux2014_{self.machine}")]
        return ["--python-version", self.python, "--implementation", "cp", *(word for pair in named for word in pair)]


def wanted(lock: str, target: Target) -> list[str]:
    """The lines of a lock file that `target` needs, without markers: pip judges those by the machine it runs on."""
    lines = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pinned, *hashes = line.split("--hash=")
        requirement = Requirement(pinned)
        if requirement.marker is not None and not requirement.marker.evaluate(target.environment()):
            continue
        if requirement.name not in NEVER | FROM_DEBIAN.get(target.machine or "", frozenset()):
            sums = " ".join(f"--hash={each.strip()}" for each in hashes)
            lines.append(f"{requirement.name}{requirement.specifier} {sums}")
    return lines


def lay_out(into: Path, *, lock: Path, code: Sequence[Path], programs: dict[str, str], machine: str | None) -> None:
    """Make the folder: wheels of `lock`, packages of our own, and each program (its name -> module with `main`).

    Raises BuildError when a wheel is not to be had, or two of them disagree.
    """
    libraries = into / "lib" / "python3" / "site-packages"
    libraries.mkdir(parents=True)
    for python in PYTHONS:
        for target, lines in wheels(lock.read_text("utf-8"), Target(python, machine)):
            with TemporaryDirectory() as fetched:
                _fetch(lines, target, Path(fetched))
                merge(Path(fetched), libraries, compiled=machine is not None)
        (into / "lib" / f"python{python}").symlink_to("python3")
    for package in code:
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "README.md")
        shutil.copytree(package, libraries / package.name, ignore=ignore)
    _interpreter(into, system="true" if machine is None or machine in FROM_DEBIAN else "false")
    for name, module in programs.items():
        _program(into, name, module)


def wheels(lock: str, target: Target) -> Iterator[tuple[Target, list[str]]]:
    """The lines of a lock file that `target` needs, by what pip is to be asked for."""
    lines = wanted(lock, target)
    plain = [each for each in lines if target.machine is None and each.split("==")[0] in AS_PYTHON]
    if rest := [each for each in lines if each not in plain]:
        yield target, rest
    if plain:
        yield Target(target.python, ANY_WHEEL), plain


def merge(fetched: Path, libraries: Path, *, compiled: bool = True) -> None:
    """Add what pip fetched for one Python to what is there for another; without `compiled` no module of machine code.

    Raises BuildError where two disagree, and where a module is there as machine code only.
    """
    for file in _files(fetched):
        at = libraries / file.relative_to(fetched)
        if file.suffix == ".so" and not compiled:
            if not file.with_name(f"{file.name.partition('.')[0]}.py").exists():
                raise BuildError(f"{file.relative_to(fetched)} is for one machine only")
            continue
        if at.exists() and str(file.relative_to(fetched)) not in BUILT_HOW and not filecmp.cmp(file, at, shallow=False):
            raise BuildError(f"{file.relative_to(fetched)} is not the same for every Python of {', '.join(PYTHONS)}")
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, at)


def _files(fetched: Path) -> Iterator[Path]:
    for file in sorted(fetched.rglob("*")):
        parts = file.relative_to(fetched).parts
        of_pip = parts[0].endswith(".dist-info") and len(parts) > 1 and parts[1] in LEFT_OUT
        if file.is_file() and parts[0] != "bin" and "tests" not in parts and not of_pip:
            yield file


def _fetch(lines: list[str], target: Target, into: Path) -> None:
    with TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(lines), "utf-8")
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
                "--no-deps", "--require-hashes", "--only-binary=:all:", *target.tags(),
                "--target", str(into), "--requirement", str(requirements),
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr]
        raise BuildError(f"wheels for Python {target.python} on {target.machine or 'any machine'}: {errors[-1]}")


def _interpreter(into: Path, *, system: str) -> None:
    (into / "bin").mkdir()
    (into / "bin" / "python").symlink_to("/usr/bin/python3")
    (into / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = {system}\n", "utf-8")


def _program(into: Path, name: str, module: str) -> None:
    at = into / "bin" / name
    at.write_text(
        f"#!/usr/lib/{into.name}/bin/python -I\n"
        f"import sys\n\nfrom {module} import main\n\nsys.exit(main())\n",
        "utf-8",
    )  # fmt: skip
    at.chmod(0o755)
