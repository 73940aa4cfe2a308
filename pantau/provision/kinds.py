"""What kind of box this is, by the file it runs with; and what only that kind has to be looked at for.

It stands here because `provisioning` knows neither gps_unit nor camera_node, and a check must take their files as they
themselves do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from edge.camera_node.config import NodeConfig, load_node
from edge.config import Broker, Unit, UnitConfig, load_unit
from pantau.provision.cameras import cameras, interpreter, relays_of
from pantau.provision.sky import sky
from provisioning.acceptance import pins
from provisioning.acceptance.config import CheckConfig
from provisioning.acceptance.pins import Person, camera_relays
from provisioning.acceptance.run import AT_ONCE_S, Probe
from settings.load import read_document
from settings.schema import tables_of

# Tables that no vehicle's file has: whoever wrote one meant a camera node, even when [[cameras]] is missing.
OF_A_NODE: Final = tables_of(NodeConfig).keys() - tables_of(UnitConfig).keys()


class Box(Protocol):
    """A box as a check sees it."""

    @property
    def unit(self) -> Unit: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def secrets(self) -> tuple[Path, ...]:
        """Files besides its key that only root may read."""

    def probes(self, limits: CheckConfig, person: Person | None) -> list[Probe]:
        """What only this kind of box has; without a person nothing is asked."""


def load_box(file: Path) -> Box:
    """The box of this unit.toml; raises ConfigError with every problem in it."""
    if OF_A_NODE & read_document(file).keys():
        return CameraNode(file, load_node(file))
    return GpsUnit(load_unit(file))


class GpsUnit:
    """A box in a vehicle: wires and the sky."""

    def __init__(self, config: UnitConfig) -> None:
        self.unit, self.broker, self.secrets = config.unit, config.broker, ()
        self._config = config

    def probes(self, limits: CheckConfig, person: Person | None) -> list[Probe]:
        wires = (limits.inputs.ignition_gpio, limits.inputs.pto_gpio, limits.inputs.panic_gpio)
        asking_s = sum(pin is not None for pin in wires) * limits.inputs.within_s
        return [
            Probe("inputs", asking_s, lambda s: pins.inputs(limits.inputs, person, s)),
            Probe("outputs", AT_ONCE_S, lambda _s: pins.outputs(limits.outputs, person)),
            Probe("gnss", limits.gnss.within_s, lambda s: sky(self._config, limits.gnss, s)),
        ]


class CameraNode:
    """A box at a pole: its cameras, and the relays in their supply."""

    def __init__(self, file: Path, config: NodeConfig) -> None:
        self.unit, self.broker = config.unit, config.broker
        self.secrets = () if config.pole.passwords_path is None else (config.pole.passwords_path,)
        self._file, self._config = file, config

    def probes(self, limits: CheckConfig, person: Person | None) -> list[Probe]:
        """Relays last: whoever closes one restarts its cameras."""
        relays = relays_of(self._config)
        return [
            Probe(
                "cameras",
                limits.cameras.within_s,
                lambda s: cameras(self._file, self._config, limits.cameras, s, python=interpreter()),
            ),
            Probe("camera_relays", len(relays) * AT_ONCE_S, lambda _s: camera_relays(relays, person)),
        ]
