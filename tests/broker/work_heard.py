"""A consumer of the topics of work that keeps to what docs/consume.md tells it, for the tests."""

from __future__ import annotations

import json
from typing import Any

from schemas import check

from broker.clean import Message
from broker.work.memory import WorkMemory

Content = dict[str, Any]


class Heard:
    """What holds, by topic and id, after all messages so far; every message is checked against its schema."""

    def __init__(self) -> None:
        self.holds: dict[tuple[str, str], Content] = {}
        self.all: list[Content] = []
        self._revisions: dict[tuple[str, str, str], int] = {}

    def take(self, topic: str, payload: bytes) -> Content | None:
        """The message, None when it is a duplicate."""
        content = check(topic.rpartition("/")[2], payload)
        whose = (topic, content["agency"], content["asset"])
        key = (topic, content["id"])
        if content["revision"] <= self._revisions.get((*whose[:2], content["asset"] + content["id"]), -1):
            return None
        self._revisions[*whose[:2], content["asset"] + content["id"]] = content["revision"]
        self.all.append(content)
        for gone in content["corrects"]:
            self.holds.pop((topic, gone), None)
        if content["withdrawn"]:
            self.holds.pop(key, None)
        else:
            self.holds[key] = content
        return content

    def of(self, memory: WorkMemory) -> list[Content]:
        """Take all that waits in a memory's outbox, as a broker would; what was new."""
        waiting = memory.waiting(0, 1_000_000)
        if waiting:
            memory.sent(waiting[-1][0])
        messages: list[Message] = [message for _, message in waiting]
        return [new for each in messages if (new := self.take(each.topic, each.payload)) is not None]

    def final(self) -> dict[tuple[str, str], Content]:
        """What holds, without how it came to be."""
        how = ("revision", "corrects")
        return {
            key: {name: value for name, value in content.items() if name not in how}
            for key, content in self.holds.items()
        }

    def leaf(self, leaf: str) -> list[Content]:
        """What holds on topics that end so, by time."""
        found = [content for (topic, _), content in self.holds.items() if topic.endswith("/" + leaf)]
        return sorted(found, key=lambda each: json.dumps(each.get("from_utc") or each.get("at_utc")))
