"""The registry: what is asked for happens whole or not at all, twice is once, and who did it is written down."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.registry import A_PAGE, ENROLMENTS, NAMES, Registry
from provisioning.values import Asset, Enrolment, RegistryBusy, RegistryError, Served, Sim, Unit, as_document

DAY = 86_400_000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path / "registry.db", who="rini", utc_ms=lambda: 1_000) as registry:
        for number in (1, 2, 3):
            registry.put_unit(Unit(unit=f"box-{number}"))
        registry.put_asset(Asset(asset="ambulance-7", agency="health", kind="ambulance", plate="B 9007 DKI"))
        registry.put_asset(Asset(asset="excavator-1", agency="public-works", kind="excavator"))
        yield registry


def spans(registry: Registry, unit: str) -> list[tuple[str, int, int | None]]:
    return [(s.asset, s.from_utc_ms, s.to_utc_ms) for s in registry.served_by(unit)]


def test_every_change_is_written_down_with_who_and_when_and_what_it_was(registry: Registry) -> None:
    assert registry.put_unit(Unit(unit="box-1", note="spare")) is True
    assert registry.put_unit(Unit(unit="box-1", note="spare")) is False
    added, changed = registry.changes("box-1")
    assert (added.who, added.at_utc_ms, added.before) == ("rini", 1_000, None)
    assert changed.before is not None and changed.before["note"] == ""
    assert changed.after is not None and changed.after["note"] == "spare"


def test_a_swap_hands_the_asset_over_at_that_instant(registry: Registry) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    assert registry.swap("box-1", "box-2", 500) == "ambulance-7"
    assert spans(registry, "box-1") == [("ambulance-7", 10, 500)]
    assert spans(registry, "box-2") == [("ambulance-7", 500, None)]
    with pytest.raises(RegistryError, match="serves nothing"):
        registry.swap("box-1", "box-3", 600)


def test_a_swap_that_cannot_be_finished_changes_nothing(registry: Registry) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    before = registry.served()
    with pytest.raises(RegistryError, match="no unit box-9"):
        registry.swap("box-1", "box-9", 500)
    assert registry.served() == before


def test_an_assignment_ends_the_one_before_and_a_late_one_makes_itself_room(registry: Registry) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    registry.assign("box-1", "excavator-1", 100)
    assert spans(registry, "box-1") == [("ambulance-7", 10, 100), ("excavator-1", 100, None)]
    registry.assign("box-1", "excavator-1", 40, 60)
    assert spans(registry, "box-1") == [
        ("ambulance-7", 10, 40),
        ("excavator-1", 40, 60),
        ("ambulance-7", 60, 100),
        ("excavator-1", 100, None),
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(1, 30)), st.booleans()), max_size=12))
def test_whatever_is_assigned_a_box_serves_one_asset_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int | None, bool]]
) -> None:
    with Registry(tmp_path_factory.mktemp("r") / "registry.db", who="x") as registry:
        registry.put_unit(Unit(unit="box-1"))
        for name in ("a", "b"):
            registry.put_asset(Asset(asset=name, agency="x", kind="y"))
        last: dict[int, str | None] = dict.fromkeys(range(62))
        for begin, lasts, first in asked:
            end = None if lasts is None else begin + lasts
            registry.assign("box-1", "a" if first else "b", begin, end)
            last.update(dict.fromkeys(range(begin, end if end is not None else 62), "a" if first else "b"))
        for at, asset in last.items():
            holds = [s.asset for s in registry.served_by("box-1") if s.overlaps(_instant(at))]
            assert holds == ([] if asset is None else [asset])


def _instant(at: int) -> Served:
    return Served(unit="x", asset="x", from_utc_ms=at, to_utc_ms=at + 1)


def test_a_retired_box_is_retired_for_good(registry: Registry) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    registry.retire("box-1")
    assert spans(registry, "box-1") == [("ambulance-7", 10, 1_000)]
    for act in (
        lambda: registry.assign("box-1", "ambulance-7", 2_000),
        lambda: registry.put_unit(Unit(unit="box-1", note="found it again")),
        lambda: registry.set_state("box-1", "enrolled", "enrol"),
    ):
        with pytest.raises(RegistryError, match="retired"):
            act()


@pytest.mark.parametrize(
    "act",
    [
        lambda registry: registry.put_unit(Unit(unit="box-1", state="enrolled", note="left mirror")),
        lambda registry: registry.set_state("box-1", "enrolled", "enrol"),
        lambda registry: registry.assign("box-1", "ambulance-7", 2_000),
        lambda registry: registry.put_sim_in("8962100012345678901", "box-1"),
        lambda registry: registry.swap("box-1", "box-2", 2_000),
    ],
)
def test_a_box_that_another_clerk_retires_just_before_the_change_stays_retired(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, act: Callable[[Registry], object]
) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    together = registry.together

    def late() -> AbstractContextManager[None]:
        monkeypatch.setattr(registry, "together", together)
        with Registry(tmp_path / "registry.db", who="budi", utc_ms=lambda: 1_000) as other:
            other.retire("box-1")
        return together()

    monkeypatch.setattr(registry, "together", late)
    with pytest.raises(RegistryError):
        act(registry)
    assert registry.known_unit("box-1").state == "retired" and registry.retired() == ["box-1"]
    assert [each.to_utc_ms for each in registry.served()] == [1_000]


def test_who_writes_while_another_does_is_told_to_come_again_and_who_reads_is_not(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with Registry(path, who="rini", wait_s=0.1) as registry, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryBusy):
            registry.put_unit(Unit(unit="box-1"))
        assert registry.units() == []
        other.rollback()
        assert registry.put_unit(Unit(unit="box-1"))


def test_what_is_wrong_is_named_with_what_would_be_right(registry: Registry) -> None:
    for wrong, words in (
        (lambda: registry.put_unit(Unit(unit="Box 1", kind="toaster", iccid="12")), "Box 1.*gps_unit.*89"),
        (lambda: registry.put_asset(Asset(asset="unassigned-x", agency="x", kind="y")), "not unassigned"),
        (lambda: registry.put_asset(Asset(asset="pole-1", agency="x", kind="pole", lat_deg=1.0)), "both or neither"),
        (lambda: registry.put_sim(Sim(iccid="8962100000000000000", plan_mb=-1)), "plan_mb"),
        (lambda: registry.assign("box-1", "ambulance-8", 1), "no asset ambulance-8"),
        (lambda: registry.assign("box-1", "ambulance-7", 5, 5), "end after it begins"),
    ):
        with pytest.raises(RegistryError, match=words):
            wrong()


def test_it_is_all_there_when_opened_again(tmp_path: Path, registry: Registry) -> None:
    registry.assign("box-1", "ambulance-7", 10)
    with Registry(tmp_path / "registry.db", who="budi") as again:
        assert again.units() == registry.units() and again.assets() == registry.assets()
        assert again.served() == [Served(unit="box-1", asset="ambulance-7", from_utc_ms=10)]


ICCID, OTHER = "8962100012345678901", "8962100012345678902"


def test_a_sim_is_in_one_box_and_found_by_its_number(registry: Registry) -> None:
    registry.put_sim(Sim(iccid=ICCID, operator="telkomsel", plan_mb=500, apn="internet"))
    assert registry.holder(ICCID) is None
    registry.put_unit(Unit(unit="box-1", iccid=ICCID))
    assert registry.holder(ICCID) == registry.unit("box-1")
    with pytest.raises(RegistryError, match="is in unit box-1; take it out there first"):
        registry.put_unit(Unit(unit="box-2", iccid=ICCID))
    registry.put_unit(Unit(unit="box-1", iccid=OTHER))
    assert registry.holder(ICCID) is None
    registry.put_unit(Unit(unit="box-2", iccid=ICCID))
    assert (registry.holder(ICCID), registry.holder(OTHER)) == (registry.unit("box-2"), registry.unit("box-1"))


def test_a_sim_that_is_put_into_another_box_comes_out_of_the_first(registry: Registry) -> None:
    registry.put_unit(Unit(unit="box-1", iccid=ICCID, note="north"))
    assert registry.put_sim_in(ICCID, "box-2") is True
    assert registry.put_sim_in(ICCID, "box-2") is False
    assert registry.unit("box-1") == Unit(unit="box-1", note="north")
    registry.retire("box-2")
    assert registry.put_sim_in(ICCID, "box-3") is True, "of a stolen box it may go on in another"
    assert registry.holder(ICCID) == registry.unit("box-3")
    with pytest.raises(RegistryError, match="no unit box-9"):
        registry.put_sim_in(ICCID, "box-9")


@pytest.mark.parametrize("apn", ["a b", "internet\npassword=x", "-a", "a;b"])
def test_an_apn_that_is_none_is_refused(registry: Registry, apn: str) -> None:
    with pytest.raises(RegistryError, match="wanted letters, digits, dots and -"):
        registry.put_sim(Sim(iccid=ICCID, apn=apn))


def issued(serial: str) -> Enrolment:
    return Enrolment(serial=serial, name="box-1", role="unit", key="cd", how="renewal", at_utc_ms=0, ends_utc_ms=1)


def test_every_certificate_of_a_name_is_found_and_adding_one_costs_the_same_after_hundreds(registry: Registry) -> None:
    count = 3 * A_PAGE + 1
    for number in range(count):
        registry.add_enrolment(issued(f"{number:x}"))
    assert [one.serial for one in registry.enrolments("box-1")] == [f"{number:x}" for number in range(count)]
    assert [one.serial for one in registry.newest_enrolments("box-1", 2)] == [f"{count - 1:x}", f"{count - 2:x}"]
    rows = [len(row["serials"]) for row in registry._documents.table(NAMES)]
    assert sorted(rows) == [1, A_PAGE, A_PAGE, A_PAGE]
    assert len([one for one in registry.retire("box-1") if one.revoked_utc_ms is not None]) == count


def test_a_name_whose_certificates_stood_in_one_row_keeps_them(registry: Registry) -> None:
    old = [f"{number:x}" for number in range(5 * A_PAGE)]
    for serial in old:
        registry._put(ENROLMENTS, serial, as_document(issued(serial)), "renewal")
    registry._put(NAMES, "box-1", {"name": "box-1", "serials": old}, "renewal")
    registry.add_enrolment(issued("fff"))
    assert [one.serial for one in registry.enrolments("box-1")] == [*old, "fff"]


def test_a_technician_is_retired_as_a_box_is(registry: Registry) -> None:
    issued = Enrolment(
        serial="a1", name="city-rini", role="technician", key="k", how="office", at_utc_ms=1, ends_utc_ms=2
    )
    registry.add_enrolment(issued)
    registry.retire("box-2")
    assert [one.serial for one in registry.retire("city-rini")] == ["a1"]
    assert [one.name for one in registry.revoked()] == ["city-rini"]
    assert registry.retired() == ["box-2", "city-rini"]
    with pytest.raises(RegistryError, match="no unit city-nobody"):
        registry.retire("city-nobody")
