"""`pantau decode LOG…`: the receiver path without a port."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from re import compile as pattern
from typing import Annotated, BinaryIO, TextIO

from typer import Argument, Exit, Option

from edge.gps_unit.fix import EpochAssembler, Fix, backfill_dates, to_columns
from edge.gps_unit.motion import Policy
from edge.gps_unit.nmea import Framer
from pantau.rows import HEADER, csv_row, json_row

_LINE_MAX_BYTES = 65_536  # binary logs may have no line ends at all
_COMMENT = pattern(rb"#[\x20-\x7e\t\r]*\n?")
_UNDATED_MAX = 86_400  # fixes held back until a date is named: a day at 1 Hz, about 25 MB


def decode(
    logs: Annotated[list[str], Argument(metavar="LOG…", help="Logs as a receiver sent them; - is standard input.")],
    policy: Annotated[
        bool, Option("--policy", help="Apply quality gate, jump filter and parked anchor as gps_unit does.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="One JSON object a fix, and one a log on stderr.")] = False,
) -> None:
    """Show every fix in receiver logs: what the receiver said, one line an epoch, as CSV.

    Empty is unknown. Rejected sentences and epochs are counted by reason on standard error.
    A log without any date has no unix_ms. Garbage is no error; a log that is not there is (exit 2).
    """
    _require_readable(logs)
    if not as_json:
        print(HEADER)
    row = json_row if as_json else csv_row
    for log in logs:
        rejected: Counter[str] = Counter()
        fixes = 0
        with _opened(log) as stream:
            for fix in decoded(stream, rejected, Policy() if policy else None):
                # A log has no boot clock: an undated fix has no time at all.
                print(row(to_columns(fix)))
                fixes += 1
        _report(sys.stderr, log, fixes, rejected, as_json)


def decoded(stream: BinaryIO, rejected: Counter[str], policy: Policy | None = None) -> Iterator[Fix]:
    """The fixes of one log, dated backwards where the date came late; `rejected` is complete at the end."""
    framer, epochs = Framer(), EpochAssembler()
    for fix in _dated(_epochs(stream, framer, epochs)):
        accepted = policy.feed(fix) if policy else fix
        if accepted:
            yield accepted
    rejected.update(framer.rejected + epochs.rejected + (policy.rejected if policy else Counter()))


def _epochs(stream: BinaryIO, framer: Framer, epochs: EpochAssembler) -> Iterator[Fix]:
    while chunk := stream.readline(_LINE_MAX_BYTES):
        # Written into the log by people (gpsd's headers, GnssLogger's); no receiver sends such a line.
        if _COMMENT.fullmatch(chunk):
            continue
        for sentence in framer.feed(chunk):
            if fix := epochs.feed(sentence):
                yield fix
    if fix := epochs.flush():
        yield fix


def _dated(fixes: Iterable[Fix]) -> Iterator[Fix]:
    undated: list[Fix] = []
    for fix in fixes:
        if fix.utc_ms is None and len(undated) < _UNDATED_MAX:
            undated.append(fix)
            continue
        yield from backfill_dates([*undated, fix])
        undated.clear()
    yield from undated


def _require_readable(logs: list[str]) -> None:
    for log in logs:
        if log == "-":
            continue
        try:
            Path(log).open("rb").close()
        except OSError as error:
            print(f"pantau decode: {log}: {error.strerror}", file=sys.stderr)
            raise Exit(2) from error


def _opened(log: str) -> BinaryIO:
    return sys.stdin.buffer if log == "-" else Path(log).open("rb")


def _report(out: TextIO, log: str, fixes: int, rejected: Counter[str], as_json: bool) -> None:
    by_reason = dict(sorted(rejected.items()))
    if as_json:
        print(json.dumps({"log": log, "fixes": fixes, "rejected": by_reason}), file=out)
        return
    reasons = ", ".join(f"{reason} {count}" for reason, count in by_reason.items())
    print(f"{log}: {fixes} fixes; rejected: {reasons or 'nothing'}", file=out)
