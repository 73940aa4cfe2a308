"""`python packaging/deb_build.py ARCHITECTURE …`: the Debian packages, for each architecture, into build/packages.

debhelper writes the packages and the scripts that enable units, make users and keep what an administrator changed; what
each package is made of stands in `PACKAGES` here and in packaging/debian.
"""

from __future__ import annotations

import argparse
import datetime as dt
import email.utils
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deb_tree import MACHINES, BuildError, lay_out

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PACKAGING: Final = REPOSITORY / "packaging"
BUILD: Final = REPOSITORY / "build" / "packages"


@dataclass(frozen=True, slots=True)
class Package:
    """One package: which of our own packages of Python it holds, and what people type."""

    name: str
    code: tuple[str, ...]
    programs: dict[str, str] = field(default_factory=dict)
    pure: bool = False  # nothing compiled: one file for every architecture
    machines: frozenset[str] = frozenset(MACHINES)

    @property
    def lock(self) -> Path:
        """Its wheels with their hashes; `make packages-lock` writes it from pyproject.toml."""
        return PACKAGING / "wheels" / f"{self.name.removeprefix('pantau-')}.txt"


PANTAU: Final = {"pantau": "pantau.__main__"}
PACKAGES: Final = (
    Package("pantau-gps-unit", ("wire", "running", "settings", "edge", "pantau"), PANTAU, pure=True),
    Package(
        "pantau-camera-node",
        ("wire", "running", "settings", "edge", "pantau"),
        PANTAU,
        machines=frozenset({"amd64", "arm64"}),  # numpy has no wheel for armhf
    ),
    Package("pantau-broker", ("wire", "running", "settings", "edge", "broker", "pantau"), PANTAU),
    Package(
        "pantau-provision",
        ("wire", "running", "settings", "edge", "broker", "provisioning", "pantau"),
        {"pantau-provision": "pantau.provision.__main__"},
    ),
)


def main(argv: list[str]) -> int:
    """Build what the command line asks for; the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("architectures", nargs="+", choices=sorted(MACHINES), metavar="ARCHITECTURE")
    arguments.add_argument("--version", help="instead of pyproject.toml's with the commit's time")
    given = arguments.parse_args(argv)
    changed = changed_utc_s()
    version = given.version or f"{project_version()}+{dt.datetime.fromtimestamp(changed, dt.UTC):%Y%m%d%H%M%S}"
    try:
        for architecture in given.architectures:
            build(architecture, version, changed)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def build(architecture: str, version: str, changed: int) -> None:
    """All packages for one architecture; raises BuildError."""
    work = BUILD / "work" / architecture
    shutil.rmtree(work, ignore_errors=True)
    source = work / "pantau"
    source.mkdir(parents=True)
    for folder in ("packaging", "docs"):
        (source / folder).symlink_to(REPOSITORY / folder)
    for package in PACKAGES:
        if architecture not in package.machines:
            continue
        lay_out(
            source / "tree" / package.name,
            lock=package.lock,
            code=[REPOSITORY / name for name in package.code],
            programs=package.programs,
            machine=None if package.pure else MACHINES[architecture],
        )
    _describe(source / "debian", version, changed)
    _pack(source, architecture, changed)
    for file in sorted(work.glob("*.deb")):
        size_mb, built = file.stat().st_size / 1e6, file.replace(BUILD / file.name)
        sys.stdout.write(f"{size_mb:5.1f} MB  {built.relative_to(REPOSITORY)}\n")


def project_version() -> str:
    """What pyproject.toml says."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def changed_utc_s() -> int:
    """When the sources last changed: SOURCE_DATE_EPOCH, else the commit's time, else pyproject.toml's. Every date in
    the packages is this one, so that the same sources give the same bytes."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(epoch)
    git = ["git", "-C", str(REPOSITORY), "log", "-1", "--format=%ct"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else int((REPOSITORY / "pyproject.toml").stat().st_mtime)


def _describe(debian: Path, version: str, changed: int) -> None:
    """debian/ as debhelper wants it: what is common to all packages is written once and copied for each."""
    shutil.copytree(PACKAGING / "debian", debian, ignore=shutil.ignore_patterns("common"))
    for package in PACKAGES:
        for common in sorted((PACKAGING / "debian" / "common").iterdir()):
            text = common.read_text("utf-8").replace("@PACKAGE@", package.name)
            (debian / f"{package.name}.{common.name}").write_text(text, "utf-8")
    maintainer = next(
        line.removeprefix("Maintainer: ")
        for line in (debian / "control").read_text("utf-8").splitlines()
        if line.startswith("Maintainer: ")
    )
    (debian / "changelog").write_text(
        f"pantau ({version}) stable; urgency=medium\n\n  * What changed for an operator: CHANGELOG.md.\n\n"
        f" -- {maintainer}  {email.utils.format_datetime(dt.datetime.fromtimestamp(changed, dt.UTC))}\n",
        "utf-8",
    )


def _pack(source: Path, architecture: str, changed: int) -> None:
    done = subprocess.run(
        [
            "dpkg-buildpackage", "--build=binary", "--unsigned-changes", "--no-check-builddeps",
            f"--host-arch={architecture}",
        ],
        cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": str(changed), "DEB_BUILD_OPTIONS": "nocheck"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    (source.parent / "build.log").write_text(done.stdout, "utf-8")
    if done.returncode:
        last = [line for line in done.stdout.splitlines() if line.strip()][-1]
        raise BuildError(f"debhelper, {architecture}: {last} (all of it: {source.parent / 'build.log'})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
