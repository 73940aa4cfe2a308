"""What a package is made of: wheels for its machine, one folder for several Pythons, hardened units."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGING = REPOSITORY / "packaging"
sys.path.insert(0, str(PACKAGING))

from deb_build import PACKAGES, Package  # noqa: E402 - a script's folder, not a package's
from deb_tree import MACHINES, BuildError, Target, merge, wanted  # noqa: E402

LOCK = """
alpha==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via somebody
typing-extensions==4.0 ; python_full_version < '3.13' \\
    --hash=sha256:cc
colorama==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:dd
setuptools==80.0 \\
    --hash=sha256:ff
cffi==2.0 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:ee
"""


def names(lines: list[str]) -> list[str]:
    return [line.split("==")[0] for line in lines]


def test_markers_are_judged_for_the_machine_that_the_wheels_are_for() -> None:
    assert names(wanted(LOCK, Target("3.11", "aarch64"))) == ["alpha", "typing-extensions", "cffi"]
    assert names(wanted(LOCK, Target("3.13", "x86_64"))) == ["alpha", "cffi"]


def test_32_bit_arm_takes_from_debian_what_has_no_wheel() -> None:
    assert names(wanted(LOCK, Target("3.13", "armv7l"))) == ["alpha"]
    control = (PACKAGING / "debian" / "control").read_text("utf-8")
    assert "python3-cffi-backend [armhf]" in control
    assert "python3-dbus-fast [armhf]" in control


def test_every_hash_of_a_version_is_handed_on() -> None:
    assert wanted(LOCK, Target("3.13", "x86_64"))[0] == "alpha==1.0 --hash=sha256:aa --hash=sha256:bb"


def test_a_package_for_every_machine_takes_no_compiled_wheel() -> None:
    tags = Target("3.11", None).tags()
    assert tags[tags.index("--platform") + 1] == "any"
    assert tags[tags.index("--abi") + 1] == "none"


def test_two_pythons_share_a_folder(tmp_path: Path) -> None:
    into = tmp_path / "into"
    for abi in ("311", "313"):
        fetched = tmp_path / abi
        for name, text in (
            ("fast/__init__.py", "same"),
            (f"fast/core.cpython-{abi}-x86_64-linux-gnu.so", abi),
            ("fast-1.0.dist-info/WHEEL", f"Tag: cp{abi}"),
            ("fast-1.0.dist-info/METADATA", "same"),
            ("bin/fast", "a program we do not ship"),
        ):
            (fetched / name).parent.mkdir(parents=True, exist_ok=True)
            (fetched / name).write_text(text)
        merge(fetched, into)
    found = sorted(str(each.relative_to(into)) for each in into.rglob("*") if each.is_file())
    assert found == [
        "fast-1.0.dist-info/METADATA",
        "fast/__init__.py",
        "fast/core.cpython-311-x86_64-linux-gnu.so",
        "fast/core.cpython-313-x86_64-linux-gnu.so",
    ]


def test_wheels_that_disagree_are_no_package(tmp_path: Path) -> None:
    for abi in ("311", "313"):
        (tmp_path / abi).mkdir()
        (tmp_path / abi / "fast.py").write_text(abi)
    merge(tmp_path / "311", tmp_path / "into")
    with pytest.raises(BuildError, match=re.escape("fast.py is not the same for every Python of 3.11, 3.13")):
        merge(tmp_path / "313", tmp_path / "into")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_lock_has_what_the_package_imports(package: Package) -> None:
    """What its extras ask for is pinned, in a version that they allow; `make packages-lock` mends it."""
    from packaging.requirements import Requirement

    extras = {"pantau-gps-unit": "gps-unit", "pantau-broker": "broker", "pantau-provision": "check"}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", package.lock.read_text("utf-8"), re.MULTILINE))
    for asked in (*project[extras[package.name]], *project["cli"]):
        requirement = Requirement(asked)
        if requirement.name == "pantau":
            continue
        assert requirement.specifier.contains(pinned[requirement.name]), asked


def test_what_is_the_same_for_every_machine_says_so() -> None:
    control = (PACKAGING / "debian" / "control").read_text("utf-8")
    said = dict(re.findall(r"Package: (\S+)\nArchitecture: (\S+)", control))
    assert said == {package.name: "all" if package.pure else "any" for package in PACKAGES}
    assert set(MACHINES) == {"amd64", "arm64", "armhf"}


UNITS = sorted(PACKAGING.glob("*.service"))


def owner(unit: Path) -> str:
    """The package that installs it."""
    lists = (PACKAGING / "debian").glob("*.install")
    (only,) = (each.stem for each in lists if f"packaging/{unit.name} " in each.read_text("utf-8"))
    return only


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_is_installed_by_one_package_that_has_its_program(unit: Path) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    program, page = parser["Service"]["ExecStart"].split()[0], parser["Unit"]["Documentation"]
    package = owner(unit)
    assert program in (f"/usr/lib/{package}/bin/python", f"/usr/bin/{package}")
    assert page.startswith(f"file:/usr/share/doc/{package}/")
    docs = (PACKAGING / "debian" / f"{package}.docs").read_text("utf-8")
    assert f"docs/{page.rpartition('/')[2]}\n" in docs


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("unit", [*UNITS, *sorted(PACKAGING.glob("*.timer"))], ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    for each in (*UNITS, unit):
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", each.read_text("utf-8"), flags=re.MULTILINE)
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
