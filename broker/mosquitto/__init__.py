"""Mosquitto as the centre runs it: mutual TLS on every listener, rendered configuration, in the foreground."""

from broker.mosquitto.configuration import Listener, render_configuration
from broker.mosquitto.run import MosquittoMissing, PortTaken, executable, prepare, reload, running
from broker.mosquitto.throwaway import ThrowawayMosquitto

__all__ = [
    "Listener",
    "MosquittoMissing",
    "PortTaken",
    "ThrowawayMosquitto",
    "executable",
    "prepare",
    "reload",
    "render_configuration",
    "running",
]
