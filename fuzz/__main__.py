"""`python -m fuzz [TARGET …] [--seconds S] [--seed N] [--jobs J]`: fuzz the targets, and say what came of it."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from fuzz.campaign import Outcome, campaign
from fuzz.session import Workers
from fuzz.signature import REPOSITORY
from fuzz.targets import names

NO_ATHERIS = "make fuzz needs atheris, which is built for CPython 3.11 to 3.13 on x86_64 Linux only; not here"
EXIT_FOUND, EXIT_USAGE = 1, 2
HEADINGS = ("target", "executions", "a second", "edges", "new inputs", "found")


def main(argv: list[str]) -> int:
    """0 when every promise held, 1 when something was found, 2 when nothing could be tried."""
    options = _options(argv)
    if find_spec("atheris") is None:
        print(NO_ATHERIS, file=sys.stderr)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = random.randrange(1, 1 << 31) if options.seed is None else options.seed
    wanted = options.targets or names()
    print(f"{len(wanted)} targets, {options.seconds:g} s each, {options.jobs} at a time, seed {seed}")
    print(_line(HEADINGS), flush=True)
    outcomes = _outcomes(wanted, options.seconds, seed, options.jobs)
    for outcome in outcomes:
        for signature, place in outcome.findings.items():
            print(f"{outcome.target}: {signature}\n  {place.relative_to(REPOSITORY)}")
        if outcome.trouble:
            print(f"{outcome.target}: {outcome.trouble}", file=sys.stderr)
    if any(outcome.findings for outcome in outcomes):
        return EXIT_FOUND
    return EXIT_USAGE if any(outcome.trouble for outcome in outcomes) else 0


def _outcomes(wanted: list[str], seconds: float, seed: int, jobs: int) -> list[Outcome]:
    """Every target's, so many at a time; an interrupted run ends what it started."""
    workers = Workers()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(lambda name: _told(name, seconds, seed, workers), wanted))
        except BaseException:
            workers.stop()
            raise


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(names())}; all when none is")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (60)")
    parser.add_argument("--seed", type=int, help="libFuzzer's; drawn and printed when not given")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (2)")
    options = parser.parse_args(argv)
    if unknown := set(options.targets) - set(names()):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    return options


def _told(name: str, seconds: float, seed: int, workers: Workers) -> Outcome:
    """One target's campaign, and its line of the table."""
    if workers.stopped:
        return Outcome(name)
    try:
        outcome = campaign(name, seconds, seed, workers)
    except RuntimeError as error:
        outcome = Outcome(name, trouble=str(error))
    a_second = outcome.executions / outcome.seconds if outcome.seconds else 0
    figures = outcome.executions, round(a_second), outcome.edges, outcome.new_inputs, len(outcome.findings)
    print(_line((name, *(f"{figure:,}" for figure in figures))), flush=True)
    return outcome


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:14}" + "".join(f"{cell:>12}" for cell in cells[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
