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
from deb_tree import MACHINES, BuildError, Target, merge, wanted, wheels  # noqa: E402

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


def test_what_also_runs_as_python_comes_from_any_wheel_into_a_package_for_every_machine(tmp_path: Path) -> None:
    lock = LOCK + "dbus-fast==5.0 \\\n    --hash=sha256:11\n"
    asked = {target.machine: names(lines) for target, lines in wheels(lock, Target("3.13", None))}
    assert asked == {None: ["alpha", "cffi"], "x86_64": ["dbus-fast"]}
    fetched, into = tmp_path / "fetched", tmp_path / "into"
    fetched.mkdir()
    (fetched / "message.py").write_text("same")
    (fetched / "message.cpython-313-x86_64-linux-gnu.so").write_text("machine code")
    merge(fetched, into, compiled=False)
    assert [each.name for each in into.iterdir()] == ["message.py"]
    (fetched / "core.cpython-313-x86_64-linux-gnu.so").write_text("nothing beside it")
    with pytest.raises(BuildError, match="for one machine only"):
        merge(fetched, into, compiled=False)


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
            ("fast/tests/test_core.py", "for whoever makes it"),
            ("numpy/__config__.py", f"built in a folder of {abi}"),
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
        "numpy/__config__.py",
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

    extras = {
        "pantau-gps-unit": ["gps-unit", "modem"],
        "pantau-camera-node": ["camera-node"],
        "pantau-broker": ["broker"],
        "pantau-provision": ["check", "modem"],
    }
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", package.lock.read_text("utf-8"), re.MULTILINE))
    for asked in [each for extra in (*extras[package.name], "cli") for each in project[extra]]:
        requirement = Requirement(asked)
        if requirement.name == "pantau":
            continue
        assert requirement.specifier.contains(pinned[requirement.name]), asked


def test_each_package_says_which_machines_it_is_for() -> None:
    control = (PACKAGING / "debian" / "control").read_text("utf-8")
    said = dict(re.findall(r"Package: (\S+)\nArchitecture: (.+)", control))
    every = {True: "all", False: "any"}
    assert said == {
        package.name: every[package.pure] if package.machines == set(MACHINES) else " ".join(sorted(package.machines))
        for package in PACKAGES
    }
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


@pytest.mark.parametrize(
    ("file", "runs"),
    [
        ('[unit]\nid = "pole-7"\n[[cameras]]\nname = "north"\n', {"pantau-camera-node"}),
        (" [[ cameras ]]\n", {"pantau-camera-node"}),
        ('[unit]\nid = "bus-7"\n[receiver]\ntty = "/dev/ttyACM0"\n', {"pantau-gps-unit"}),
        ("not a configuration", {"pantau-camera-node", "pantau-gps-unit"}),  # whoever starts says what is wrong
    ],
)
def test_a_box_with_both_packages_runs_the_one_that_its_file_is_for(file: str, runs: set[str], tmp_path: Path) -> None:
    written = tmp_path / "unit.toml"
    written.write_text(file)
    ran = set()
    for package in ("pantau-camera-node", "pantau-gps-unit"):
        text = (PACKAGING / f"{package}.service").read_text("utf-8")
        (condition,) = re.findall(r"^ExecCondition=/bin/sh -c '(.*)'$", text, re.MULTILINE)
        shell = condition.replace("/etc/pantau/unit.toml", str(written))
        if subprocess.run(["/bin/sh", "-c", shell], check=False).returncode == 0:
            ran.add(package)
    assert ran == runs


def test_what_two_packages_bring_to_a_box_has_names_of_its_own() -> None:
    """dpkg refuses the second of two packages that hold one path."""
    brought = [
        f"{line.split()[1]}/{line.split()[0].rpartition('/')[2]}"
        for each in (PACKAGING / "debian").glob("*.install")
        for line in each.read_text("utf-8").splitlines()
    ]
    assert len(brought) == len(set(brought))
    rules = (PACKAGING / "debian" / "rules").read_text("utf-8")
    for file in (PACKAGING / "box").iterdir():
        assert re.search(rf"packaging/box/{file.name} \$\$lib/\S+/60-\$\$package\.conf", rules), file.name
