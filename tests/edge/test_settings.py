"""A configuration file is taken whole or refused whole, and the refusal names every problem."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import EXIT_CONFIG, ConfigError, load, setting
from settings.describe import describe
from settings.load import from_document
from wire.errors import PantauError


def _even(value: int) -> str | None:
    return None if value % 2 == 0 else "it must be even"


def _day(written: object) -> date | None:
    if written == "none":
        return None
    if isinstance(written, date):
        return written
    raise ValueError(written)


@dataclass(frozen=True, slots=True)
class Pump:
    """A pump."""

    name: str = setting("what it is called")
    flow: float = setting("how much it moves", unit="l/s", at_least=0.5, at_most=40)
    blades: int = setting("blades", at_least=2, default=4, reason="the usual rotor", check=_even)
    mode: str = setting("how it runs", one_of=("slow", "fast"), default="slow", reason="quieter")
    quiet: bool = setting("no alarm sound", default=False, reason="alarms are heard")
    log: Path | None = setting("where it writes", default=None, reason="it does not write")
    tags: tuple[str, ...] = setting("words to find it by", default=(), reason="none needed")
    since: date | None = setting("built", convert=_day, wanted='a date, or "none"', default=None, reason="unknown")


@dataclass(frozen=True, slots=True)
class Plant:
    pump: Pump


def write(folder: Path, text: str) -> Path:
    file = folder / "plant.toml"
    file.write_text(text)
    return file


def test_a_right_file_becomes_typed_values_and_defaults(tmp_path: Path) -> None:
    plant = load(write(tmp_path, '[pump]\nname = "north"\nflow = 3\nlog = "pump.log"\nsince = 2020-02-03\n'), Plant)
    assert plant.pump == Pump(name="north", flow=3.0, log=tmp_path / "pump.log", since=date(2020, 2, 3))
    assert type(plant.pump.flow) is float
    assert plant.pump.blades == 4


def test_every_problem_is_named_at_once_with_value_unit_and_what_is_right(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[pump]\nflow = 41\nblades = 3\nmode = "mad"\nquiet = 1\nlog = 5\ntags = ["a", 1]\nsince = "soon"\nbladse = 6\n'
        "[tank]\nsize = 1\n",
    )
    with pytest.raises(ConfigError) as caught:
        load(file, Plant)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file}: 10 problems"
    for line in (
        "tank is {'size': 1}: not a table of this file; the tables are pump",
        "pump.bladse is 6: not a key of this file; did you mean pump.blades?",
        "pump.name missing: a text in quotes – what it is called",
        "pump.flow is 41: must be a number from 0.5 to 40 l/s",
        "pump.blades is 3: must be a whole number of 2 or more; it must be even",
        "pump.mode is 'mad': must be one of 'slow', 'fast'",
        "pump.quiet is 1: must be true or false",
        "pump.log is 5: must be a path in quotes",
        "pump.tags is ['a', 1]: must be a list of texts in quotes",
        "pump.since is 'soon': must be a date, or \"none\"",
    ):
        assert f"  {line}" in lines


@pytest.mark.parametrize("value", ["nan", "inf", "true", "99999999999999999999999999", '"3"', "[]", "1979-05-27"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"pump\.flow is .*: must be a number from 0.5 to 40 l/s"):
        load(write(tmp_path, f'[pump]\nname = "x"\nflow = {value}\n'), Plant)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[pump", "not TOML"), ("pump = 3", r"pump is 3: a table, written \[pump\]")],
)
def test_a_file_of_another_shape_is_a_config_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text), Plant)


def test_a_missing_or_binary_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a readable file"):
        load(tmp_path / "absent.toml", Plant)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        load(tmp_path / "binary.toml", Plant)


def test_a_config_error_is_ours_and_a_value_error_and_exits_78() -> None:
    assert issubclass(ConfigError, PantauError)
    assert issubclass(ConfigError, ValueError)
    assert EXIT_CONFIG == 78


def test_a_default_without_a_reason_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="reason"):
        setting("colour", default="red")


def test_the_description_names_every_key_with_unit_default_and_reason() -> None:
    text = describe(Plant)
    for part in ("### [pump]", "| `flow` |", "from 0.5 to 40 l/s", "must be given", "`4`: the usual rotor", "`[]`"):
        assert part in text


_plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab\x00é", max_size=8) | st.dates()
_any = _plain | st.lists(_plain, max_size=3) | st.dictionaries(st.text("ab\x00é", max_size=6), _plain, max_size=3)
_names = st.sampled_from([*Pump.__slots__, "other", ""])


@given(st.dictionaries(st.sampled_from(["pump", "tank"]), st.dictionaries(_names, _any) | _any))
def test_any_document_is_a_plant_or_a_config_error(document: dict[str, object]) -> None:
    try:
        plant = from_document(document, Plant, name="any", folder=Path("/"))
    except ConfigError as error:
        assert error.problems
    else:
        assert 0.5 <= plant.pump.flow <= 40


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_error_or_toml(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "f.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError):
        load(file, Plant)


@dataclass(frozen=True, slots=True)
class Site:
    pump: Pump
    wells: tuple[Pump, ...]


def test_a_list_of_tables_is_a_tuple_and_may_be_absent(tmp_path: Path) -> None:
    pump = '[pump]\nname = "north"\nflow = 3\n'
    assert load(write(tmp_path, pump), Site).wells == ()
    wells = "".join(f'[[wells]]\nname = "{name}"\nflow = 1\n' for name in "ab")
    assert [well.name for well in load(write(tmp_path, pump + wells), Site).wells] == ["a", "b"]
    assert "### [[wells]]" in describe(Site) and "### [pump]" in describe(Site)


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        (
            '[[wells]]\nname = "a"\nflow = 1\n[[wells]]\nname = 7\nflw = 1\n',
            ["wells 2.flw", "wells 2.name", "wells 2.flow"],
        ),
        ("[wells]\nflow = 1\n", ["wells"]),
    ],
)
def test_every_problem_in_a_list_of_tables_names_its_place(tmp_path: Path, written: str, keys: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, f'[pump]\nname = "north"\nflow = 3\n{written}'), Site)
    assert [problem.key for problem in refused.value.problems] == keys
