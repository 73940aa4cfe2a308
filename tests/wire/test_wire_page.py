"""docs/wire.md says what is so: its example runs, every topic, module and body is on it."""

from __future__ import annotations

import re
from pathlib import Path

import wire
from wire import topics

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/wire.md", "exec"), {})


def test_every_topic_is_on_the_page() -> None:
    for leaf in topics.UNIT_LEAVES:
        assert f"`pantau/v1/<unit>/{leaf}`" in PAGE
    for leaf in topics.CITY_LEAVES:
        assert f"/{leaf}`" in PAGE


def test_every_module_is_on_the_page() -> None:
    (folder,) = wire.__path__
    for module in Path(folder).glob("*.py"):
        if module.stem not in ("__init__", "records_pb2"):
            assert f"`{module.stem}`" in PAGE
