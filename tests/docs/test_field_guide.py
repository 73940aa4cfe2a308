"""The field guide is the same in both languages: its steps, what is typed, what is seen, and each thing to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from provisioning.acceptance.words import TITLES
from provisioning.words import translated

DOCS = Path(__file__).resolve().parents[2] / "docs"
ENGLISH, INDONESIAN = ((DOCS / name).read_text("utf-8") for name in ("field-guide.md", "field-guide.id.md"))

PICTURE = re.compile(r"!\[[^\]]{20,}\]\((screens/[^)]+)\)")  # each says what is on it


class Step(NamedTuple):
    """What must not differ between languages."""

    number: str
    typed: list[str]
    seen: int
    hints: int
    rows: int
    quoted: list[str]
    pictures: list[str]


def steps(page: str) -> list[Step]:
    """Every step of a guide."""
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        plain = re.sub(r"```.*?```", "", section, flags=re.DOTALL)
        found.append(
            Step(
                number=section.split(".")[0],
                typed=re.findall(r"```sh\n(.*?)```", section, re.DOTALL),
                seen=section.count("```text"),
                hints=len(re.findall(r"^\* ", plain, re.MULTILINE)),
                rows=len(re.findall(r"^\| ", plain, re.MULTILINE)),
                quoted=[] if section[0] in "378" else re.findall(r"`([^`]+)`", plain),
                pictures=[name.replace(".id.", ".") for name in PICTURE.findall(plain)],
            )
        )
    return found


def test_both_have_the_same_steps() -> None:
    assert [step.number for step in steps(ENGLISH)] == [str(n) for n in range(1, 10)]
    for english, indonesian in zip(steps(ENGLISH), steps(INDONESIAN), strict=True):
        assert sorted(english.quoted) == sorted(indonesian.quoted), english.number
        assert english._replace(quoted=[]) == indonesian._replace(quoted=[])


def test_every_step_says_what_should_be_seen() -> None:
    for page, words in ((ENGLISH, "You should see"), (INDONESIAN, "Seharusnya")):
        for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:9]:
            assert words in section, section[:40]


def test_what_enrol_says_is_what_the_guide_shows() -> None:
    refused = [
        "no such name, or another code",
        "the code has expired; ask for a new one",
        "the code has been used",
        "retired",
    ]
    for page, code in ((ENGLISH, "en"), (INDONESIAN, "id")):
        for why in refused:
            said = translated("the server refused: {why}", code).format(why=translated(why, code))
            assert f"`{said}`" in page
        assert translated("{unit} is enrolled until {day}", code).format(unit="box-1", day="2027-11-23") in page
        assert translated("code, or the label's QR code: ", code) + "ABCD-EFGH-JKLM" in page
    server = (DOCS.parent / "provisioning" / "enrolment.py").read_text("utf-8")
    assert all(f'"{why}"' in server for why in refused), "the server still says so"


def test_every_picture_is_of_its_pages_language_and_fetches_nothing() -> None:
    pages = [path.read_text("utf-8") for path in DOCS.glob("*.md")]
    shown = {name for page in pages for name in PICTURE.findall(page)}
    assert shown == {str(path.relative_to(DOCS)) for path in (DOCS / "screens").glob("*")}
    for page, other in ((ENGLISH, True), (INDONESIAN, False)):
        names = [name for name in PICTURE.findall(page) if name != "screens/label.svg"]
        assert len(names) == 6 and not any((".id." in name) == other for name in names)
    for name in shown:
        picture = (DOCS / name).read_text("utf-8")
        assert "@font-face" not in picture and "@import" not in picture, name
        elsewhere = re.findall(r"https?://[^\s\"')]+", picture)
        assert set(elsewhere) == {"http://www.w3.org/2000/svg"}, name
        assert len(picture) < 20_000, name


def test_the_check_says_what_the_guide_quotes() -> None:
    for page, code in ((ENGLISH, "en"), (INDONESIAN, "id")):
        assert f"`{translated('passed', code)}`" in page
        assert f"`{translated(TITLES['camera_login'], code)}`" in page


def test_an_adoption_says_what_the_guide_quotes() -> None:
    done = "adopted; now: systemctl restart pantau-camera-node, then pantau-provision check"
    assert f'_("{done}")' in (DOCS.parent / "pantau" / "provision" / "adopt.py").read_text("utf-8")
    for page, code in ((ENGLISH, "en"), (INDONESIAN, "id")):
        assert f"`{translated(done, code)}`" in page
