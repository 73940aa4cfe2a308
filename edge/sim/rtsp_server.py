"""Cameras made of GStreamer: a program for the system's Python (gi), which therefore imports nothing of this package.

Each line of standard input is a JSON object {"verb": ..., "camera": ...} and is answered by one JSON line; the end of
standard input ends it. Each camera is an RTSP server on a port of its own, with digest authentication. Its scene is
composed once (street or clip, vehicles, rain, cover) and goes frame by frame through Python, where frames can be held
back or repeated; what comes out is encoded once for all who watch.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from typing import Any, Final

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions are chosen before

NEEDED: Final = (
    "x264enc",
    "compositor",
    "rtph264pay",
    "pngdec",
    "imagefreeze",
    "clockoverlay",
    "openh264dec",
    "intervideosrc",
)
VEHICLES: Final = 5
PAD: Final = {"snow": "sink_10", "rain": "sink_11", "cover": "sink_12"}  # what can lie over the street
UNAVAILABLE: Final = 69  # sysexits.h

Order = Mapping[str, Any]


class Scene:
    """What a camera sees: a pipeline from street (or clip) to raw frames, with everything that can be wrong with it."""

    def __init__(self, order: Order, framed: Any) -> None:
        self.width, self.height, self.fps = order["width"], order["height"], order["frames_per_s"]
        self._dice = random.Random(order.get("seed", 1))
        self._caps = f"video/x-raw,width={self.width},height={self.height},framerate={self.fps}/1"
        self._vehicles: list[list[float]] = []  # x, pixels a second
        self._shift = (0, 0)
        self._clip: Any = None
        self._begun_s = GLib.get_monotonic_time() / 1e6
        self.pipeline = Gst.parse_launch(self._plain() if order["scene"] == "plain" else self._composed(order))
        mixer = self.pipeline.get_by_name("all")
        self._pads = {pad.get_name(): pad for pad in mixer.sinkpads} if mixer else {}
        for name in PAD:
            self.lay(name, 0.0)
        self.pipeline.get_by_name("out").connect("new-sample", framed)
        self.pipeline.set_state(Gst.State.PLAYING)
        self._open = True
        if mixer:
            GLib.timeout_add(max(20, 1000 // self.fps), self._moved)

    def close(self) -> None:
        self._open = False
        self.pipeline.set_state(Gst.State.NULL)
        if self._clip:
            self._clip.set_state(Gst.State.NULL)

    def light(self, brightness: float = 0.0, contrast: float = 1.0, saturation: float = 1.0) -> None:
        balance = self.pipeline.get_by_name("light")
        for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            balance.set_property(name, value)

    def focus(self, by: int) -> None:
        """Every `by` x `by` pixels become one."""
        width, height = max(8, self.width // by & ~1), max(8, self.height // by & ~1)
        caps = f"video/x-raw,width={width},height={height},framerate={self.fps}/1"
        self.pipeline.get_by_name("lens").set_property("caps", Gst.Caps.from_string(caps))

    def lay(self, name: str, alpha: float) -> None:
        if pad := self._pads.get(PAD[name]):
            pad.set_property("zorder", 20)
            pad.set_property("alpha", alpha)

    def shift(self, x: int, y: int) -> None:
        self._shift = (x, y)
        if street := self._pads.get("sink_0"):
            street.set_property("xpos", -x)
            street.set_property("ypos", -y)

    def _plain(self) -> str:
        """Nothing moves and nothing can be wrong: for pictures too large to compose."""
        return (
            f"videotestsrc pattern=smpte is-live=true ! {self._caps},format=I420 ! appsink name=out emit-signals=true"
        )

    def _composed(self, order: Order) -> str:
        still = f"imagefreeze is-live=true ! video/x-raw,framerate={self.fps}/1"
        if clip := order.get("clip"):
            look = "videoconvert ! videoscale add-borders=false ! videorate"
            street = (
                f"multifilesrc location={clip} loop=true ! qtdemux ! h264parse ! openh264dec ! {look} ! {self._caps}"
            )
        else:
            street = f"filesrc location={order['street']} ! pngdec ! videoconvert ! {still}"
        return " ".join(
            [
                f"compositor name=all background=black ! {self._caps} ! videoconvert ! video/x-raw,format=I420 !",
                "videobalance name=light ! videoscale add-borders=false ! capsfilter name=lens",
                f"caps={self._caps} ! videoscale add-borders=false ! {self._caps},format=I420 !",
                "appsink name=out emit-signals=true max-buffers=2 drop=true",
                f"{street} ! queue ! all.sink_0",
                *([] if order.get("clip") else [self._vehicle(number) for number in range(VEHICLES)]),
                f"videotestsrc pattern=snow is-live=true ! {self._caps} ! all.{PAD['snow']}",
                f"filesrc location={order['rain']} ! pngdec ! videoconvert ! {still} ! all.{PAD['rain']}",
                f"videotestsrc pattern=solid-color foreground-color=0xff3a4034 is-live=true ! {self._caps}",
                f"! all.{PAD['cover']}",
            ]
        )

    def _played(self, clip: str, channel: str) -> str:
        """Play the clip for ever, beside the scene: a file that begins again would upset the composition's clock."""
        line = f"filesrc location={clip} ! qtdemux ! h264parse ! openh264dec ! videoconvert ! videoscale"
        played = Gst.parse_launch(
            f"{line} add-borders=false ! videorate ! {self._caps} ! intervideosink channel={channel}"
        )

        def again(_bus: Any, _message: Any) -> None:
            played.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 0)

        bus = played.get_bus()
        bus.add_signal_watch()
        bus.connect("message::eos", again)
        played.set_state(Gst.State.PLAYING)
        self._clip = played
        return channel

    def _vehicle(self, number: int) -> str:
        width, height = (self.width // 9 + number * 6) & ~1, (self.height // 9 + number * 4) & ~1
        colour = 0xFF << 24 | sum(self._dice.randrange(0x30, 0xE0) << shift for shift in (0, 8, 16))
        self._vehicles.append([self._dice.random() * self.width, self.width * (0.05 + 0.04 * number)])
        return (
            f"videotestsrc pattern=solid-color is-live=true foreground-color={colour} !"
            f" video/x-raw,width={width},height={height},framerate={self.fps}/1 ! all.sink_{number + 1}"
        )

    def _moved(self) -> bool:
        """Vehicles and rain are where their speed brings them by now."""
        elapsed_s = GLib.get_monotonic_time() / 1e6 - self._begun_s
        x, y = self._shift
        for number, (start, speed) in enumerate(self._vehicles):
            pad = self._pads[f"sink_{number + 1}"]
            pad.set_property("xpos", int((start + speed * elapsed_s) % (self.width * 1.3) - self.width * 0.15) - x)
            pad.set_property("ypos", int(self.height * (0.55 + 0.08 * number)) - y)
            pad.set_property("zorder", number + 2)
        self._pads[PAD["rain"]].set_property("ypos", int(elapsed_s * 900) % self.height - self.height)
        return self._open


class Guard(GstRtspServer.RTSPAuth):  # type: ignore[misc]  # gi has no types
    """Counts how often somebody showed a password that is not the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def do_generate_authenticate_header(self, context: Any) -> None:
        """Asked when somebody is not let in; the first question of a session shows no password, and does not count."""
        shown, _ = context.request.get_header(GstRtsp.RTSPHeaderField.AUTHORIZATION, 0)
        self.refused += shown is GstRtsp.RTSPResult.OK
        GstRtspServer.RTSPAuth.do_generate_authenticate_header(self, context)


class Server:
    """An RTSP server for one path on a port of its own; without a user everybody is let in."""

    def __init__(self, order: Order) -> None:
        self._user, self._password = order["user"], order["password"]
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address(order["address"])
        self.server.set_service(str(order.get("port", 0)))
        self._token = GstRtspServer.RTSPToken()
        self._token.set_string("media.factory.role", "viewer")
        self._auth = Guard()
        self._auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        if self._user:
            self._auth.add_digest(self._user, self._password, self._token)
        if order.get("certificate"):
            self._auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(order["certificate"], order["key"]))
        if not self._user:
            self._auth.set_default_token(self._token)
        self.server.set_auth(self._auth)
        factory = self.factory(order)
        role = Gst.Structure.new_empty("viewer")
        role.set_value("media.factory.access", True)
        role.set_value("media.factory.construct", True)
        factory.add_role_from_structure(role)
        self.server.get_mount_points().add_factory(order["path"], factory)
        self._attached = self.server.attach(None)

    def factory(self, order: Order) -> Any:
        raise NotImplementedError

    def vanish(self, _order: Order) -> None:
        """Nobody listens any more, and everybody is thrown out."""
        self.server.set_service(str(self.server.get_bound_port()))
        GLib.Source.remove(self._attached)
        self.kick({})

    def come_back(self, _order: Order) -> None:
        self._attached = self.server.attach(None)

    def kick(self, _order: Order) -> None:
        self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)

    def wrong_password(self, order: Order) -> None:
        """From now on another password is the right one."""
        self._auth.remove_digest(self._user)
        self._auth.add_digest(self._user, order["right"], self._token)
        self.kick({})

    def right_password(self, _order: Order) -> None:
        self.wrong_password({"right": self._password})


class Camera(Server):
    """A camera with its scene; a verb of the protocol is a method."""

    def __init__(self, order: Order) -> None:
        self._frozen = self._stalled = False
        self._every = 1  # frames of which one is sent
        self._watching: set[Any] = set()  # the sources of those who watch
        self._held: Any = None
        self._seen = self._sent = 0
        self.scene = Scene(order, self._framed)
        super().__init__(order)

    def factory(self, order: Order) -> Any:
        scene = self.scene
        caps = f"video/x-raw,format=I420,width={scene.width},height={scene.height},framerate={scene.fps}/1"
        clock = "clockoverlay halignment=left valignment=top ! videoconvert ! " if order["clock"] else ""
        rate = f"bitrate={order['bitrate_kbps']}" if order.get("bitrate_kbps") else "pass=quant quantizer=24"
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            "( appsrc name=frames is-live=true do-timestamp=true format=time max-buffers=4 leaky-type=downstream"
            f" caps={caps} ! {clock}x264enc tune=zerolatency speed-preset=ultrafast threads=1"
            f" {rate} key-int-max={max(1, round(scene.fps * order['keyframe_every_s']))} !"
            " video/x-h264,profile=constrained-baseline ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        factory.set_shared(True)
        factory.connect("media-configure", self._configured)
        return factory

    def state(self, _order: Order) -> dict[str, int]:
        counted = {"seen": self._seen, "sent": self._sent, "refused": self._auth.refused}
        return {"port": self.server.get_bound_port(), **counted}

    def close(self, order: Order) -> None:
        """It is no more."""
        self.vanish(order)
        self.scene.close()

    def freeze(self, _order: Order) -> None:
        self._frozen = True

    def stall(self, _order: Order) -> None:
        self._stalled = True

    def drop_to(self, order: Order) -> None:
        self._every = max(1, round(self.scene.fps / order["frames_per_s"]))

    def darken(self, order: Order) -> None:
        self.scene.light(brightness=-order["by"], contrast=1 - order["by"])

    def overexpose(self, _order: Order) -> None:
        self.scene.light(brightness=0.8)

    def night(self, _order: Order) -> None:
        self.scene.light(brightness=-0.12, contrast=0.6, saturation=0.0)
        self.scene.lay("snow", 0.06)

    def rain(self, _order: Order) -> None:
        self.scene.light(contrast=0.85, saturation=0.8)
        self.scene.lay("rain", 0.6)

    def cover(self, _order: Order) -> None:
        self.scene.lay("cover", 1.0)
        self.scene.lay("snow", 0.03)  # a sensor in the dark is never still

    def defocus(self, order: Order) -> None:
        self.scene.focus(order["by"])

    def displace(self, order: Order) -> None:
        self.scene.shift(order["x"], order["y"])

    def recover(self, _order: Order) -> None:
        """All is well again with the picture."""
        self._frozen = self._stalled = False
        self._every = 1
        self.scene.light()
        self.scene.focus(1)
        self.scene.shift(0, 0)
        for name in PAD:
            self.scene.lay(name, 0.0)

    def _framed(self, sink: Any) -> Any:
        """One frame of the scene: on to everybody who watches, unless this camera stalls or freezes."""
        buffer = sink.emit("pull-sample").get_buffer()
        self._seen += 1
        if self._stalled or self._seen % self._every:
            return Gst.FlowReturn.OK
        if not self._frozen or self._held is None:
            self._held = buffer
        for source in list(self._watching):
            again = self._held.copy()
            again.pts = again.dts = Gst.CLOCK_TIME_NONE
            source.emit("push-buffer", again)
        self._sent += 1
        return Gst.FlowReturn.OK

    def _configured(self, _factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("frames")
        self._watching.add(source)
        media.connect("unprepared", lambda _: self._watching.discard(source))


class Recorder(Server):
    """The far end of a live view: takes what is pushed to it (RECORD) and counts it."""

    def __init__(self, order: Order) -> None:
        self._frames = self._bytes = self._pushes = self._ended = 0
        super().__init__(order)

    def factory(self, _order: Order) -> Any:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        end = "fakesink name=end signal-handoffs=true sync=false async=false"
        factory.set_launch(f"( rtph264depay name=depay0 ! h264parse ! video/x-h264,alignment=au ! {end} )")
        factory.connect("media-configure", self._configured)
        return factory

    def state(self, _order: Order) -> dict[str, int]:
        port = self.server.get_bound_port()
        counted = {"frames": self._frames, "bytes": self._bytes, "pushes": self._pushes, "ended": self._ended}
        return {"port": port, **counted}

    def _configured(self, _factory: Any, media: Any) -> None:
        self._pushes += 1
        media.get_element().get_by_name("end").connect("handoff", self._got)
        media.connect("unprepared", self._over)

    def _got(self, _sink: Any, buffer: Any, _pad: Any) -> None:
        self._frames += 1
        self._bytes += buffer.get_size()

    def _over(self, _media: Any) -> None:
        self._ended += 1


def main() -> int:
    Gst.init(None)
    if missing := [name for name in NEEDED if not Gst.ElementFactory.find(name)]:
        _say({"error": f"GStreamer lacks {', '.join(missing)}; type: sh packaging/need-camera.sh"})
        return UNAVAILABLE
    loop = GLib.MainLoop()
    cameras: dict[str, Any] = {}

    def told(_channel: Any, _condition: Any) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        _say(_obeyed(cameras, json.loads(line)))
        return True

    GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.IO_IN | GLib.IO_HUP, told)
    _say({"ready": Gst.version_string()})
    loop.run()
    return 0


def _obeyed(cameras: dict[str, Any], order: Order) -> dict[str, Any]:
    name, verb = order["camera"], order["verb"]
    try:
        if verb == "add":
            cameras[name] = Recorder(order) if order["scene"] == "record" else Camera(order)
            verb = "state"
        return getattr(cameras[name], verb)(order) or {}
    except Exception as error:  # noqa: BLE001 - whoever gave the order is told, and raises it
        return {"error": f"{type(error).__name__}: {error}"}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
