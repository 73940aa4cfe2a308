"""Consumers' questions: `ask/v1/<consumer>/nearest` becomes `answer/v1/<consumer>/nearest`, to that one alone.

Who asks is said by the topic, and the access list lets a consumer write under its own name only; so what it may read is
known without asking for it. A question that cannot be read is answered with the reason.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, Full, Queue
from typing import Any, Final

import orjson

from broker.acl import EVERY_AGENCY, Consumer
from broker.answer_figures import ANSWERED, NOBODY, REFUSED, Answered
from broker.clean import read_body, utc_text
from broker.live import Picture, moved, state_message
from broker.mqtt import Endpoint, Link
from broker.nearest import MOST, OTHER_KIND, STALE_S, Point, Question, nearest
from broker.packets import PAYLOAD_LIMIT_BYTES
from broker.presence import Presence
from broker.store import Store
from running.turns import Stop, Turns
from wire.errors import PeerViolation
from wire.topics import EVERY_QUESTION, answer, parse_ask

log = logging.getLogger(__name__)

NEAREST: Final = "nearest"
QUESTION_LIMIT_BYTES: Final = 2048
QUEUE_QUESTIONS: Final = 200  # more are dropped: a consumer asks again
MOST_ASKED: Final = 100
LEFT_OUT_MOST: Final = 200  # named; all are counted
FRESH_S: Final = 1.0  # one look into the store serves all questions of a second
TURN_S: Final = 0.2
_KEYS: Final = frozenset(("id", "lat", "lon", "kind", "agency", "max", "stale_s"))

Look = Callable[[], tuple[Iterable[Mapping[str, Any]], Mapping[str, Presence]]]


class Answers:
    """Answers until stopped; one thread of its own for the network."""

    def __init__(
        self, endpoint: Endpoint, name: str, consumers: Iterable[Consumer], look: Look, *, told: Answered | None = None
    ) -> None:
        self._consumers = {each.name: each for each in consumers}
        self._look = look
        self._told = told or Answered()
        self._asked: Queue[tuple[str, bytes, float]] = Queue(QUEUE_QUESTIONS)
        self._link = Link(endpoint, name, subscriptions=[(EVERY_QUESTION, 1)], received=self._hear)

    @property
    def ready(self) -> bool:
        """Whether questions arrive; callable from any thread."""
        return self._link.subscribed

    def run(self, stop: Stop, network_turns: Turns | None = None) -> None:
        """Raises StoreUnavailable; questions asked meanwhile are lost, and asked again by who needs an answer."""
        turns = network_turns or Turns()
        network = threading.Thread(target=self._link.run, args=(turns,), name="answers network")
        network.start()
        seen: tuple[list[Mapping[str, Any]], Mapping[str, Presence]] = [], {}
        seen_s = -FRESH_S
        try:
            while not stop.is_set():
                self._told.connected, self._told.waiting = self.ready, self._asked.qsize()
                try:
                    topic, payload, heard_s = self._asked.get(timeout=TURN_S)
                except Empty:
                    continue
                if time.monotonic() - seen_s >= FRESH_S:
                    states, presences = self._look()
                    seen, seen_s = (list(states), presences), time.monotonic()
                if self._answer(topic, payload, *seen):
                    self._told.answered_mono_s = now_s = time.monotonic()
                    self._told.answer_s.add(now_s - heard_s)
        finally:
            self._told.connected = False
            self._link.close()
            network.join()
            turns.ended()

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        if retained:  # a question is of now
            return
        try:
            self._asked.put_nowait((topic, payload, time.monotonic()))
        except Full:
            self._told.dropped += 1

    def _answer(
        self, topic: str, payload: bytes, states: Iterable[Mapping[str, Any]], presences: Mapping[str, Presence]
    ) -> bool:
        """Whether somebody was told something."""
        parsed = parse_ask(topic)
        consumer = self._consumers.get(parsed[0]) if parsed else None
        if parsed is None or consumer is None or parsed[1] != NEAREST:
            log.debug("nobody to answer: %s", topic)
            self._told.questions[NOBODY] += 1
            return False
        now_utc_ms = time.time_ns() // 1_000_000
        said, refused = answered(payload, consumer, states, presences, now_utc_ms=now_utc_ms)
        self._told.questions[REFUSED if refused else ANSWERED] += 1
        self._link.publish(answer(consumer.name, NEAREST), said, qos=1)
        return True


def answered(
    payload: bytes,
    consumer: Consumer,
    states: Iterable[Mapping[str, Any]],
    presences: Mapping[str, Presence],
    *,
    now_utc_ms: int,
) -> tuple[bytes, bool]:
    """The answer to a question of that consumer's, of the agencies it may read, and whether it is a refusal. Pure."""
    said: dict[str, Any] = {
        "id": None, "utc": utc_text(now_utc_ms), "error": None, "candidates": [], "further": 0, "left_out": [],
        "left_out_by_reason": {},
    }  # fmt: skip
    try:
        said["id"], question = _question(payload, consumer)
    except PeerViolation as error:
        return orjson.dumps({**said, "error": str(error)}), True
    found = nearest(question, states, presences, now_utc_ms=now_utc_ms)
    named = [each for each in found.left_out if each.reason != OTHER_KIND][:LEFT_OUT_MOST]
    payload = orjson.dumps(
        {
            **said,
            "candidates": [each._asdict() for each in found.candidates],
            "further": found.further,
            "left_out": [each._asdict() for each in named],
            "left_out_by_reason": Counter(each.reason for each in found.left_out),
        }
    )
    if len(payload) > PAYLOAD_LIMIT_BYTES:
        return orjson.dumps({**said, "error": "the answer would be longer than a message may be"}), True
    return payload, False


def _question(payload: bytes, consumer: Consumer) -> tuple[str | None, Question]:
    if len(payload) > QUESTION_LIMIT_BYTES:
        raise PeerViolation(f"longer than {QUESTION_LIMIT_BYTES} bytes")
    try:
        asked = orjson.loads(payload)
    except ValueError as error:
        raise PeerViolation("no JSON") from error
    if not isinstance(asked, dict):
        raise PeerViolation("no JSON object")
    if strange := sorted(set(asked) - _KEYS):
        raise PeerViolation(f"unknown keys: {', '.join(strange)[:200]}")
    texts = {key: asked.get(key) for key in ("id", "kind", "agency")}
    if wrong := [key for key, text in texts.items() if not (text is None or isinstance(text, str))]:
        raise PeerViolation(f"{wrong[0]}: wanted text")
    place = Point(_number(asked, "lat", -90, 90), _number(asked, "lon", -180, 180))
    most = int(_number(asked, "max", 1, MOST_ASKED, MOST))
    stale_s = _number(asked, "stale_s", 1, 86_400, STALE_S)
    return texts["id"], Question(place, texts["kind"], _agencies(consumer, texts["agency"]), most, stale_s)


def _agencies(consumer: Consumer, wanted: str | None) -> frozenset[str] | None:
    """Which it is answered of; None = all. One that it may not read is as one that does not exist."""
    if EVERY_AGENCY in consumer.agencies:
        return None if wanted is None else frozenset((wanted,))
    return frozenset(each for each in consumer.agencies if wanted in (None, each))


def _number(asked: Mapping[str, Any], key: str, least: float, most: float, default: float | None = None) -> float:
    value = asked.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise PeerViolation(f"{key}: wanted a number from {least} to {most}")
    return float(value)


def look_of(store: Store, presences: Callable[[], Iterable[Presence]]) -> Look:
    """What the store's newest tracks and the bridge's presence say."""

    def look() -> tuple[Iterable[Mapping[str, Any]], Mapping[str, Presence]]:
        newest = store.newest_tracks(time.time_ns() // 1_000_000)
        payloads = (state_message(moved(Picture(e.agency, e.asset), e, read_body(e))).payload for e in newest)
        return [orjson.loads(each) for each in payloads if each], {one.unit: one for one in presences()}

    return look
