"""docs/config.md holds every key of every file, word for word as the schema has it, and its examples load."""

import re
from pathlib import Path

import pytest

from broker.config import CentreConfig
from edge.camera_node.config import NodeConfig
from edge.config import UnitConfig
from provisioning.acceptance.config import CheckConfig
from provisioning.card.site import CardConfig
from provisioning.config import EnrolmentConfig
from settings import ConfigError, load
from settings.describe import describe

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "config.md").read_text("utf-8")


@pytest.mark.parametrize("schema", [UnitConfig, NodeConfig, CentreConfig, EnrolmentConfig, CheckConfig, CardConfig])
def test_the_document_holds_the_schema_word_for_word(schema: type) -> None:
    assert describe(schema) in DOCUMENT


@pytest.mark.parametrize(("schema", "number"), [(UnitConfig, 0), (NodeConfig, 1), (CentreConfig, 2)])
def test_nothing_is_missing_in_the_shortest_files(schema: type, number: int, tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text(re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)[number])
    try:
        load(file, schema)
    except ConfigError as error:  # the certificates of the example are not on this machine
        assert [problem.key for problem in error.problems if not problem.key.endswith("_path")] == []
