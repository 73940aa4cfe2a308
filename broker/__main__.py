"""`python -m broker --config F [PART]`: one part of the centre, or those that it needs as supervised children."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from broker.config import CentreConfig, load_centre
from broker.stopping import Stop
from running.turns import LoopStop
from running.watched import Watched
from settings import EXIT_CONFIG, ConfigError
from wire.errors import PantauError

if TYPE_CHECKING:
    from broker.figure import Figure
    from broker.store import Store
    from broker.survey import Survey

STORE_RETRY_S = 0.5
PARTS = ("mosquitto", "bridge", "publisher")
MORE = ("work", "answers", "sink")  # may be left out, and fail for themselves


def main(argv: list[str], *, at: Callable[[str], None] = lambda _point: None) -> int:
    """Run what is asked for until SIGTERM or SIGINT; the exit code (0 clean, 1 failed, 78 configuration).

    `at` is told of every commit point that one part passes (torture/points.py lists them); supervised children have
    none.
    """
    asked = _asked(argv)
    logging.basicConfig(level=logging.INFO, format=f"%(levelname)s {asked.part or 'centre'}: %(message)s")
    try:
        config = load_centre(asked.config)
        config.store.state_directory.mkdir(parents=True, exist_ok=True)
        if asked.part == "sink":
            return _sink(config, asked.name or "", Path(asked.config), at)
        return _run(asked.part, asked.config, config, at)
    except ConfigError as error:
        logging.error("%s", error)
        return EXIT_CONFIG
    except PantauError as error:
        logging.error("%s", error)
        return 1


def _asked(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m broker", description=__doc__)
    parser.add_argument("--config", required=True, help="the centre's TOML file")
    parser.add_argument("part", nargs="?", choices=(*PARTS, *MORE), help="run only this part, in this process")
    parser.add_argument("name", nargs="?", help="which sink")
    return parser.parse_args(argv)


def _run(part: str | None, path: str, config: CentreConfig, at: Callable[[str], None]) -> int:
    if part == "mosquitto":
        return _mosquitto(config)
    if part == "bridge":
        return _bridge(config, at)
    if part == "publisher":
        return _publisher(config, at)
    if part == "work":
        return _work(config, at)
    if part == "answers":
        return _answers(config)
    from broker.supervise import supervise

    parts = [one for one in PARTS if one != "mosquitto" or config.broker.run]
    commands = {one: [sys.executable, "-m", "broker", "--config", path, one] for one in parts}
    return supervise(commands, _stop(), ready={"mosquitto": lambda: _accepts(config.broker.listen, config.broker.port)})


def _mosquitto(config: CentreConfig) -> int:
    from broker.mosquitto import prepare, running

    command = prepare(config.listener, config.roles, config.mosquitto_directory)
    running(config.mosquitto_directory, os.getpid())
    os.execv(command[0], command)  # from here on this process is Mosquitto: signals and its log are its own


def _bridge(config: CentreConfig, at: Callable[[str], None]) -> int:
    from broker.bridge import Bridge
    from broker.store_memory import StoreMemory

    stop = _stop()
    watched = Watched(stop)
    memory = StoreMemory(config.store_memory_path, away=watched.loop("committer").elsewhere)
    bridge = Bridge(
        config.bridge, lambda: memory.opened(config.store.url, at=at), stop,
        remember=memory.keep, at=at, loop=watched.loop,
    )  # fmt: skip
    with watched.telling(ready=lambda: bridge.ready, status=bridge.status), ExitStack() as told:
        survey = _tell(config, told, "store", config.metrics.bridge_port, bridge.figures)
        code = bridge.run()
    return _left(code, stuck=bridge.stuck or (survey is not None and survey.stuck))


def _left(code: int, *, stuck: bool) -> int:
    if stuck:
        logging.shutdown()
        os._exit(code)  # Python would wait for the thread, and the thread for a disk that hangs
    return code


def _publisher(config: CentreConfig, at: Callable[[str], None]) -> int:
    from broker.published import Published, publisher_figures, publisher_status
    from broker.publisher import Publisher

    watched, told = Watched(_stop()), Published()
    loop = watched.loop("publisher")

    def serve(store: Store) -> None:
        Publisher(
            store, config.endpoint(config.credentials.publisher), told=told, away=loop.elsewhere, at=at
        ).run(loop)  # fmt: skip

    with watched.telling(ready=lambda: told.connected, status=lambda: publisher_status(told)), ExitStack() as stack:
        survey = _tell(
            config, stack, "ledger", config.metrics.publisher_port, lambda: publisher_figures(told, time.monotonic())
        )
        _with_store(config, loop, serve)
    return _left(0, stuck=survey is not None and survey.stuck)


def _work(config: CentreConfig, at: Callable[[str], None]) -> int:
    from zoneinfo import ZoneInfo

    from broker.config import needs_certificate
    from broker.work.areas import Areas, BadAreas, read_areas
    from broker.work.deriver import Deriver
    from broker.work.memory import WorkMemory
    from broker.work.teller import Spoken, Teller, work_figures, work_status

    needs_certificate(config, config.credentials.work)
    try:
        areas = Areas(area for path in config.work.areas for area in read_areas(Path(path).read_text("utf-8"), path))
    except (OSError, UnicodeDecodeError, BadAreas) as error:
        raise ConfigError(f"work.areas: {error}") from error
    watched, told = Watched(_stop()), Spoken()
    loop = watched.loop("deriver")
    zone = ZoneInfo(config.work.timezone)

    def serve(store: Store) -> None:
        with WorkMemory(config.work_memory_path, at=at, away=loop.elsewhere) as memory:
            deriver = Deriver(store, memory, zone=zone, areas=areas, keep_days=config.work.keep_days)
            endpoint = config.endpoint(config.credentials.work)
            Teller(store, memory, deriver, endpoint, told=told, away=loop.elsewhere).run(loop)

    with watched.telling(ready=lambda: told.connected, status=lambda: work_status(told)), ExitStack() as stack:
        survey = _tell(config, stack, "work", config.metrics.work_port, lambda: work_figures(told, time.monotonic()))
        _with_store(config, loop, serve, lambda: told.failures.update(store=1))
    return _left(0, stuck=survey is not None and survey.stuck)


def _answers(config: CentreConfig) -> int:
    from broker.answer_figures import Answered, answer_figures
    from broker.answers import Answers, look_of
    from broker.config import needs_certificate
    from broker.presence import read_presence

    name = config.credentials.answers
    needs_certificate(config, name)
    watched, told = Watched(_stop()), Answered()
    loop = watched.loop("answers")
    serving: list[Answers] = []

    def serve(store: Store) -> None:
        look = look_of(store, lambda: read_presence(config.presence_path)[0])
        serving[:] = [Answers(config.endpoint(name), name, config.roles.consumers, look, told=told)]
        serving[0].run(loop, watched.loop("network"))

    def ready() -> bool:
        return any(each.ready for each in serving)

    def failed() -> None:
        told.store_failures += 1

    def status() -> str:
        return "takes questions" if ready() else "waiting for broker and store"

    with watched.telling(ready=ready, status=status), ExitStack() as stack:
        _tell(config, stack, None, config.metrics.answers_port, lambda: answer_figures(told, time.monotonic()))
        _with_store(config, loop, serve, failed)
    return 0


def _sink(config: CentreConfig, name: str, path: Path, at: Callable[[str], None]) -> int:
    from broker.sink import Aside, Given, Pump, options_of, sink_figures, sink_status

    options, open_sink = options_of(config.sink(name), path.absolute().parent)
    watched, given = Watched(_stop()), Given()
    loop = watched.loop("sink")
    sink = open_sink(options)
    aside = Aside(config.aside_path(name))

    def serve(store: Store) -> None:
        Pump(store, sink, options, aside, given=given, away=loop.elsewhere, at=at).run(loop)

    def no_store() -> None:
        given.failures["store"] += 1

    with watched.telling(ready=lambda: given.store_open, status=lambda: sink_status(given)), ExitStack() as stack:
        stack.callback(sink.close)
        _tell(config, stack, None, options.metrics_port, lambda: sink_figures(given, time.monotonic()))
        _with_store(config, loop, serve, no_store)
    return 0


def _with_store(
    config: CentreConfig, loop: LoopStop, serve: Callable[[Store], None], failed: Callable[[], None] = lambda: None
) -> None:
    """Serve from the store until stopped; it may come and go, and at the very first start the bridge has yet to make
    it."""
    from broker.store import StoreUnavailable, open_store

    while not loop.is_set():
        try:
            with open_store(config.store.url, away=loop.elsewhere) as store:
                serve(store)
        except StoreUnavailable as error:
            failed()
            logging.info("waiting for the store: %s", error)
            loop.wait(STORE_RETRY_S)


def _tell(
    config: CentreConfig, stack: ExitStack, look: str | None, port: int, figures: Callable[[], list[Figure]]
) -> Survey | None:
    """Metrics at `port` while the stack lasts, the survey `look` among them if any; None when there is none."""
    if not port:
        return None
    from broker.survey import SURVEYS, Survey

    try:
        from broker.metrics import Metrics
    except ModuleNotFoundError as error:  # an upgrade that was not told of it: not worth losing the bridge
        logging.warning("no metrics: %s; install the extra broker", error)
        return None
    if look is None:
        stack.enter_context(Metrics(config.metrics.address, port, figures))
        return None
    survey = stack.enter_context(Survey(look, config.store.url, *SURVEYS[look]))
    stack.enter_context(Metrics(config.metrics.address, port, lambda: [*figures(), *survey.figures()]))
    return survey


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1.0):  # 0.0.0.0 is this machine, too
            return True
    except OSError:
        return False


def _stop() -> Stop:
    stop = Stop()
    stop.on_signals()
    return stop


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
