#!/bin/sh
# Install what simulated cameras are made of (GStreamer, its RTSP server, x264) when it is missing and we may. Without it
# the tests that need a camera are skipped, and make run shows none.
python=/usr/bin/python3
there() {
    [ -x $python ] && $python -I - <<'EOF' 2>/dev/null
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
needed = ("x264enc", "compositor", "rtph264pay", "pngdec", "imagefreeze", "clockoverlay", "openh264dec", "intervideosrc")
raise SystemExit(any(Gst.ElementFactory.find(name) is None for name in needed))
EOF
}
there && exit 0
packages="python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly"
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null"
echo "GStreamer's RTSP server is missing, installing it with apt-get" >&2
if [ "$(id -u)" = 0 ]; then
    sh -c "$install" && there && exit 0
elif sudo -n true 2>/dev/null; then
    sudo sh -c "$install" && there && exit 0
fi
echo "without GStreamer's RTSP server and x264 there are no simulated cameras; type: sudo apt-get install -y $packages" >&2
exit 0
