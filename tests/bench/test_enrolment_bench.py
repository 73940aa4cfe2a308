"""The bench of enrolment enrols whom it labelled, against the server that people run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.enrolment import City
from provisioning.est_client import NotIssued
from provisioning.registry import Registry


@pytest.mark.slow
def test_who_is_imported_and_labelled_is_enrolled_by_the_labels_text_once(tmp_path: Path) -> None:
    city = City(tmp_path / "city", 3)
    prepared = city.prepare()
    assert (tmp_path / "city/sheet.html").read_text().count("<svg xmlns") == 3
    city.open()
    try:
        assert city.enrol(prepared.texts[0]) > 0.0
        with pytest.raises(NotIssued, match="the code has been used"):
            city.enrol(prepared.texts[0])
    finally:
        city.close()
    assert city.enrolled() == 1
    with Registry(city.path, who="test") as registry:
        held = [registry.holder(sim.iccid) for sim in registry.sims()]
    assert [unit.unit for unit in held if unit is not None] == ["box-00000", "box-00001", "box-00002"]
