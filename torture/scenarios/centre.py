"""centre: the bridge is frozen, or there are two, the broker forgets, the whole centre is older than its boxes."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import Final

from broker.acl import BRIDGE_NAME
from broker.config import load_centre
from broker.downlink import Downlink
from settings import EXIT_CONFIG
from stage.process import Child
from torture import versions
from torture.centre import LIVE_WITHIN_S, counted, grows, resting, retained, undisturbed
from torture.consumer import pantau
from torture.poison import MALFORMED, poison
from torture.scenario import Setup, scenario
from torture.scene import Scene
from torture.store_faults import locked
from wire.topics import bridge_state, desired

YIELDS_WITHIN_S: Final = 15.0
CONSUMER_BACK_WITHIN_S: Final = 20.0
RETAINED_WITHIN_S: Final = 20.0
PARKED: Final = "parked-1"  # units with a certificate and no process
NEWER: Final = "newer-1"
HOSTILE: Final = "hostile-1"
COUNTED_WITHIN_S: Final = 15.0  # the presence file is written each few seconds


@scenario()
def second_bridge(scene: Scene) -> None:
    """A second bridge with another store ends itself with exit code 78, and the first goes on."""
    config = scene.city.directory / "second.toml"
    text = scene.city.centre_config.read_text("utf-8")
    for mine, others in (("store.db", "second.db"), (str(scene.city.directory / "centre"), f"{config}-state")):
        text = text.replace(mine, others)
    config.write_text(text, "utf-8")
    command = [sys.executable, "-m", "broker", "--config", str(config), "bridge"]
    second = Child("second bridge", command, scene.city.directory / "log" / "second.log")
    first_lives = len(scene.children["bridge"].lives)
    scene.play(2.0)
    while scene.going():
        scene.fault("a second bridge")
        second.start()
        scene.until(lambda: not second.running, YIELDS_WITHIN_S)
        scene.claim("the second bridge ends with 78", second.exit_code == EXIT_CONFIG, second.tail(2))
        second.kill()
        grows(scene, "the first goes on")
        scene.play(3.0)
    scene.claim("the first was never restarted", len(scene.children["bridge"].lives) == first_lives)


@scenario()
def late_will(scene: Scene) -> None:
    """A frozen bridge whose will comes while its successor starts leaves no box silent."""
    # It cannot come later: a successor commits to the store only when the frozen one is dead, and has the same name, so
    # that the broker ends the frozen one's connection, and publishes its will, before it lets the successor in.
    while scene.going():
        succeeded(scene)
        scene.play(1.0)


def succeeded(scene: Scene) -> None:
    """A successor is started beside the frozen bridge, which then dies; at the end the scene's own one runs again."""
    log = scene.city.directory / "log" / "successor.log"
    successor = Child("successor", scene.children["bridge"].command, log)
    with scene.frozen("bridge"):
        scene.settle(1.0)
        successor.start()
        scene.until(lambda: not successor.running, 20.0, "it does not commit beside the frozen one")
        scene.hold("bridge")
    successor.start()  # as systemd does
    grows(scene, "boxes are heard again")
    scene.claim("by the successor", successor.running, successor.tail(2))
    successor.terminate()
    scene.claim("the successor stops cleanly", successor.join() and successor.exit_code == 0, successor.tail(2))
    scene.start("bridge")


@scenario()
def frozen_broker(scene: Scene) -> None:
    """What the publisher had sent and the broker never took is published again, so the topics stay without a gap."""
    while scene.going():
        scene.play(2.0)
        with locked(scene.store_path):
            scene.settle(2.0)  # parcels gather in the bridge
            frozen = ExitStack()
            frozen.enter_context(scene.frozen("mosquitto"))
        with frozen:
            scene.settle(2.0)  # the bridge stores them; the publisher writes them into a socket that nobody reads
            scene.hold("publisher")
            scene.hold("mosquitto")
        scene.until(lambda: not scene.consumer.connected, CONSUMER_BACK_WITHIN_S, "the consumer sees it go")
        scene.start("mosquitto")
        scene.until(lambda: scene.consumer.connected, CONSUMER_BACK_WITHIN_S, "the consumer is back")
        scene.start("publisher")
    owed = {(box.name, key) for box in scene.boxes for key in scene.stored(box)}
    scene.until(lambda: scene.consumer.fixes() >= owed, LIVE_WITHIN_S, "all that is stored was on the topics")
    scene.claim("each topic is without a gap", not scene.consumer.gaps, f"{scene.consumer.gaps} gaps")


@scenario()
def forgetful_broker(scene: Scene) -> None:
    """A broker that comes back with nothing retained gets it again: desired configuration, states, the bridge."""
    city = scene.city
    city.authority.ensure(PARKED, "unit")
    with Downlink(load_centre(city.centre_config).downlink_path) as downlink:
        downlink.desire(PARKED, {"report": {"interval_s": 60}})
    wanted = {bridge_state(BRIDGE_NAME), desired(PARKED), f"city/v1/health/{city.units[0].asset}/state"}
    while scene.going():
        scene.until(lambda: retained(scene, PARKED) >= wanted, RETAINED_WITHIN_S, "all of it is retained")
        scene.kill("mosquitto", scene.luck.uniform(0.0, 2.0))
    scene.until(lambda: retained(scene, PARKED) >= wanted, RETAINED_WITHIN_S, "all of it is retained again")


@scenario()
def older(scene: Scene) -> None:
    """A centre older than its boxes stores and receipts what it cannot read, and once upgraded reads it."""
    city, commands = scene.city, {name: scene.children[name].command for name in ("bridge", "publisher")}
    city.authority.ensure(NEWER, "unit")
    with resting(scene):
        for name, command in commands.items():
            scene.children[name].command = versions.older(command)
    scene.fault("an older centre")
    grows(scene, "the older centre stores")
    receipted = versions.newer_box_speaks(city, NEWER, within_s=LIVE_WITHIN_S)
    scene.claim("a newer box is receipted whole, in both lanes", receipted == versions.NEWER_SEQS, receipted)
    scene.kill(scene.box.name)  # its first record after a start is its health, which that centre cannot read
    while scene.going():
        scene.play(1.0)
    with resting(scene):
        for name, command in commands.items():
            scene.children[name].command = command
    grows(scene, "the newer centre stores")
    done = pantau("rederive", "--store", city.store_url, "--json")
    counts = json.loads(done.stdout)
    scene.claim("the upgraded centre reads what it knows", counts["readable"] >= versions.NEWER_READABLE, counts)
    scene.claim("and keeps what nobody knows yet", counts["undecoded"] == versions.NEWER_UNREADABLE, counts)


@scenario(Setup(boxes=2))
def poison_rows(scene: Scene) -> None:
    """Parcels and rows that nobody can read cost the centre only themselves: counted, or kept as they came."""
    scene.city.authority.ensure(HOSTILE, "unit")
    lives = {name: len(scene.children[name].lives) for name in ("mosquitto", "bridge", "publisher")}
    with undisturbed(scene):
        while scene.going():
            sent, receipted = poison(scene.city, HOSTILE, within_s=LIVE_WITHIN_S)
            scene.fault("poison")
            scene.claim("rows that cannot be read are kept", receipted == sent, f"{len(receipted)} of {len(sent)}")
            grows(scene, "everybody else's are stored meanwhile")
            scene.play(2.0)
    scene.until(
        lambda: counted(scene, "malformed") >= MALFORMED,
        COUNTED_WITHIN_S,
        "what is no parcel is counted by reason",
    )
    same = lives == {name: len(scene.children[name].lives) for name in lives}
    scene.claim("no process of the centre was restarted", same)
