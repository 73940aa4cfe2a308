"""Every input that was kept, our own and those the fuzzer found, holds its target's promise; no fuzzer is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.signature import REPOSITORY
from fuzz.targets import names, target

SLOWEST_CPU_S = 5.0  # of a few kB; each takes milliseconds
KEPT = REPOSITORY / "fuzz"


def inputs() -> Iterator[Path]:
    for name in names():
        for folder in (KEPT / "corpus" / name, KEPT / "found" / name):
            yield from sorted(file for file in folder.glob("*") if file.suffix != ".txt")


@pytest.mark.parametrize("file", list(inputs()), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_the_promise_holds_for_every_kept_input(file: Path) -> None:
    hold = target(file.parent.name).hold
    started_s = time.process_time()
    hold(file.read_bytes())
    assert time.process_time() - started_s < SLOWEST_CPU_S


@pytest.mark.parametrize("name", names())
def test_each_target_has_seeds_that_hold_and_fit(name: str) -> None:
    one = target(name)
    seeds = one.seeds()
    assert len(seeds) >= 2
    for data in seeds.values():
        assert len(data) <= one.MAX_BYTES
        one.hold(data)


def test_nothing_is_kept_for_a_target_that_is_gone() -> None:
    kept = {folder.name for part in ("corpus", "found") for folder in (KEPT / part).glob("*") if folder.is_dir()}
    assert kept <= set(names())
    assert {folder.name for folder in (KEPT / "corpus").iterdir()} == set(names())
