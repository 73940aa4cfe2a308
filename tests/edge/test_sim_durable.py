"""The model of a power cut: what was synced is there, of the rest nothing that was never written, renames are whole."""

from __future__ import annotations

import copy
import errno
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.sim.durable import MOST_PENDING, SECTOR_BYTES, File
from edge.sim.durable_names import Directory, Image, Tree

CUTS = 12  # lives tried of each state
names = st.sampled_from(["/a", "/b", "/d/a", "/d/b"])
offsets = st.integers(0, 3 * SECTOR_BYTES)
chunks = st.binary(min_size=1, max_size=2 * SECTOR_BYTES + 40)


def cut(tree: Tree, seed: int) -> Image:
    """A power cut of a copy: the tree lives on."""
    return copy.deepcopy(tree).power_cut(Random(seed))


class Programs(RuleBasedStateMachine):
    """Any calls in any order; beside them what they must look like, and each sector's every version since its sync."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = Tree({"d": None})
        self.seen: dict[str, bytes] = {}
        self.versions: dict[int, dict[int, set[bytes]]] = {}  # by file number and sector, beside what is synced
        self.synced: dict[int, bytes] = {}

    def note(self, file: File) -> None:
        versions = self.versions.setdefault(file.number, {})
        for start in range(0, len(file.content), SECTOR_BYTES):
            versions.setdefault(start, {bytes(SECTOR_BYTES)}).add(_sector(file.content, start))

    @rule(name=names)
    def create(self, name: str) -> None:
        with suppress(FileExistsError):
            file = self.tree.create(name)
            assert name not in self.seen
            self.seen[name] = b""
            self.synced[file.number] = b""

    @rule(name=names, offset=offsets, chunk=chunks)
    def write(self, name: str, offset: int, chunk: bytes) -> None:
        if name in self.seen:
            self.tree.write(self.tree.file(name), offset, chunk)
            before = self.seen[name].ljust(offset, b"\0")
            self.seen[name] = before[:offset] + chunk + before[offset + len(chunk) :]
            self.note(self.tree.file(name))

    @rule(name=names, size=offsets)
    def resize(self, name: str, size: int) -> None:
        if name in self.seen:
            self.tree.file(name).resize(size)
            self.seen[name] = self.seen[name][:size].ljust(size, b"\0")
            self.note(self.tree.file(name))

    @rule(name=names)
    def sync(self, name: str) -> None:
        if name in self.seen:
            file = self.tree.file(name)
            file.sync()
            self.synced[file.number] = bytes(file.content)
            self.versions.pop(file.number, None)
            self.note(file)

    @rule(name=names)
    def unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self.tree.unlink(name)
            del self.seen[name]

    @rule(old=names, new=names)
    def rename(self, old: str, new: str) -> None:
        with suppress(FileNotFoundError):
            self.tree.rename(old, new)
            self.seen[new] = self.seen.pop(old)

    @rule(folder=st.sampled_from(["/", "/d"]))
    def sync_directory(self, folder: str) -> None:
        self.tree.sync_directory(self.tree.directory(folder))

    @invariant()
    def programs_see_what_they_did(self) -> None:
        image = {f"/{path}": content for path, content in self.tree.image().items() if content is not None}
        assert image == self.seen

    @invariant()
    def a_power_cut_invents_nothing(self) -> None:
        for seed in range(3):
            for path, content in cut(self.tree, seed).items():
                if isinstance(content, bytes):
                    self.check_every_sector(path, content)

    def check_every_sector(self, path: str, content: bytes) -> None:
        """Each is mixed of no more than what stood there; which file it was we know where names are synced only."""
        known = [v for versions in self.versions.values() for v in versions.items()]
        for start in range(0, len(content), SECTOR_BYTES):
            piece = _sector(content, start)
            possible = {v for at, versions in known if at == start for v in versions} | {bytes(SECTOR_BYTES)}
            possible |= {_sector(synced, start) for synced in self.synced.values()}
            for place, byte in enumerate(piece):
                assert any(version[place] == byte for version in possible), f"{path} at {start + place}"


def _sector(content: bytes | bytearray, start: int) -> bytes:
    return bytes(content[start : start + SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.lists(st.tuples(offsets, chunks), min_size=1), st.lists(st.tuples(offsets, chunks)), st.integers())
def test_what_was_synced_is_there_wherever_nothing_was_written_since(
    first: list[tuple[int, bytes]], later: list[tuple[int, bytes]], seed: int
) -> None:
    file = File()
    for offset, chunk in first:
        file.write(offset, chunk)
    file.sync()
    synced = bytes(file.content)
    assert file.survivor(Random(seed), torn=True) == synced
    touched: set[int] = set()
    for offset, chunk in later:
        file.write(offset, chunk)
        touched.update(range(offset, offset + len(chunk)))
    left = file.survivor(Random(seed), torn=True)
    assert len(left) >= len(synced), "no size was ever smaller"
    assert all(left[place] == synced[place] for place in range(len(synced)) if place not in touched)


def test_later_sectors_survive_without_earlier_ones_and_a_write_is_torn() -> None:
    file, reordered, torn = File(bytes(4 * SECTOR_BYTES)), 0, 0
    for sector in range(4):
        file.write(sector * SECTOR_BYTES, b"x" * SECTOR_BYTES)
    for seed in range(200):
        left = file.survivor(Random(seed), torn=True)
        there = [left[n * SECTOR_BYTES : (n + 1) * SECTOR_BYTES].count(b"x") for n in range(4)]
        reordered += there[0] == 0 and there[1] == SECTOR_BYTES
        torn += 0 < there[3] < SECTOR_BYTES
    assert reordered > 5 and torn > 100


def test_an_unsynced_rename_over_a_synced_file_leaves_one_of_the_two_whole() -> None:
    left = set()
    for seed in range(100):
        tree = Tree({"old": b"old"})
        new = tree.create("/old.new")
        tree.write(new, 0, b"new")
        new.sync()
        tree.rename("/old.new", "/old")
        left.add(tree.power_cut(Random(seed)).get("old"))
    assert left == {b"old", b"new"}


@pytest.mark.parametrize("synced", [True, False])
def test_a_name_is_safe_once_its_directory_is_synced(synced: bool) -> None:
    left = set()
    for seed in range(100):
        tree = Tree({"d": None, "d/gone": b"1"})
        tree.write(tree.create("/d/new"), 0, b"2")
        tree.file("/d/new").sync()
        tree.unlink("/d/gone")
        if synced:
            tree.sync_directory(tree.directory("/d"))
        left.add(tuple(sorted(tree.power_cut(Random(seed)))))
    assert (left == {("d", "d/new")}) is synced
    assert synced or len(left) == 4, "each alone, both, neither"


def test_everything_synced_is_everything_left_and_below_tmpfs_nothing_is() -> None:
    tree = Tree({"run": None, "kept": b"k", "tty": "/dev/pts/7"}, volatile=["run"])
    tree.write(tree.create("/run/interval"), 0, b"fixes")
    tree.make_link("/tty.new", "/dev/pts/8")
    tree.rename("/tty.new", "/tty")
    tree.sync()
    assert tree.image()["run/interval"] == b"fixes"
    assert tree.power_cut(Random(1)) == {"run": None, "kept": b"k", "tty": "/dev/pts/8"}


def test_what_is_not_synced_for_very_long_was_written_back_by_the_kernel() -> None:
    file = File(bytes(SECTOR_BYTES))
    file.write(0, b"early")
    for _ in range(MOST_PENDING):
        file.write(100, b"x")
    assert all(file.survivor(Random(seed))[:5] == b"early" for seed in range(20))


def test_impossible_calls_are_the_kernels_errors() -> None:
    tree = Tree({"d": None, "d/f": b""})
    for call, code in (
        (lambda: tree.file("/nowhere"), errno.ENOENT),
        (lambda: tree.file("/d"), errno.EISDIR),
        (lambda: tree.create("/d/f"), errno.EEXIST),
        (lambda: tree.create("/d/f/g"), errno.ENOTDIR),
        (lambda: tree.remove_directory("/d"), errno.ENOTEMPTY),
        (lambda: tree.rename("/d/f", "/d"), errno.ENOTEMPTY),
        (lambda: tree.unlink("/d"), errno.EISDIR),
    ):
        with pytest.raises(OSError) as error:
            call()
        assert error.value.errno == code
    assert isinstance(tree.at("/d"), Directory)
