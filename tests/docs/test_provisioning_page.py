"""docs/provisioning.md names verbs that are there, options they have, and a file that loads."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from pantau.provision.app import app
from provisioning.card.site import CardConfig
from provisioning.config import EnrolmentConfig
from settings import ConfigError, load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "provisioning.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line, comments=True)[1:] for line in PAGE.splitlines() if line.startswith("pantau-provision ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_of_the_page_is_understood(words: list[str]) -> None:
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    context = command.make_context(words[0], list(words[1:]), resilient_parsing=False)
    assert context.command is command


def test_every_verb_is_on_the_page() -> None:
    verbs = set(get_command(app).commands)  # type: ignore[attr-defined]
    told = {words[0] for words in COMMANDS}
    assert verbs - told <= {"unit", "asset", "release", "show"}, "what the page leaves out is left out on purpose"


def test_the_shortest_file_lacks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "enrolment.toml"
    file.write_text(EXAMPLES[0])
    (tmp_path / "ca.pem").write_text("")
    try:
        assert load(file, EnrolmentConfig).unit.id == "box-1"
    except ConfigError as error:
        pytest.fail(str(error))


def test_the_card_toml_of_the_page_lacks_nothing(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(EXAMPLES[1])
    (tmp_path / "authorized_keys").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqv rini@workshop\n")
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "pantau-gps-unit.deb").write_bytes(b"")
    try:
        assert load(tmp_path / "card.toml", CardConfig).receiver.tty == "/dev/ttyACM0"
    except ConfigError as error:
        pytest.fail(str(error))


def test_what_the_page_says_a_person_sees_is_what_is_said() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "provisioning/card").glob("*.py"))
    for told in re.findall(r"^\| `([^`]+)` \| (?:mount|flash|fewer)", PAGE, re.MULTILINE):
        assert re.sub("… MB", "{free} MB", told) in sources, told
