"""What the registry knows: boxes, what they serve, SIMs, and who changed what when. Pure; times are Unix ms, UTC."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from provisioning.words import _
from wire.errors import PantauError
from wire.topics import valid_name, valid_unit

State = Literal["new", "enrolled", "retired"]
UNIT_KINDS: Final = ("gps_unit", "camera_node")
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_ICCID: Final = re.compile(r"89[0-9]{16,18}")  # ITU-T E.118: 89, then up to 20 digits in all
_APN: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")  # 3GPP TS 23.003, 9.1: labels as in DNS


class RegistryError(PantauError, ValueError):
    """What was asked for cannot be: the message says what would be right; nothing was changed."""


class RegistryBusy(RegistryError):
    """Another process has been writing for longer than we wait."""

    def __init__(self) -> None:
        super().__init__(_("the registry is busy; try again"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A box. `state` is new until its first certificate, retired for ever after `retire`; `iccid` is its SIM's."""

    unit: str
    kind: str = "gps_unit"
    state: State = "new"
    iccid: str = ""
    note: str = ""

    def problems(self) -> list[str]:
        """What is wrong with it, each with what would be right."""
        found = []
        if not valid_unit(self.unit):
            found.append(f"unit {self.unit!r}: wanted [a-z0-9][a-z0-9-]{{0,30}}, not bridge* or city*")
        if self.kind not in UNIT_KINDS:
            found.append(f"kind {self.kind!r}: wanted {' or '.join(UNIT_KINDS)}")
        if self.iccid and not _ICCID.fullmatch(self.iccid):
            found.append(f"iccid {self.iccid!r}: wanted 18 to 20 digits that begin with 89, as printed on the SIM")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A vehicle, machine or pole of an agency; `lat_deg` and `lon_deg` only for what stands still."""

    asset: str
    agency: str
    kind: str
    plate: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None

    def problems(self) -> list[str]:
        """What is wrong with it, each with what would be right."""
        found = []
        for what, value in (("asset", self.asset), ("agency", self.agency)):
            if not valid_name(value) or value.startswith("unassigned"):
                found.append(f"{what} {value!r}: wanted [a-z0-9][a-z0-9-]{{0,30}}, not unassigned*")
        if not _KIND.fullmatch(self.kind):
            found.append(f"kind {self.kind!r}: wanted a word such as ambulance, excavator or pole")
        if (self.lat_deg is None) != (self.lon_deg is None):
            found.append("lat_deg and lon_deg: wanted both or neither")
        if self.lat_deg is not None and not -90 <= self.lat_deg <= 90:
            found.append(f"lat_deg {self.lat_deg}: wanted -90 to 90")
        if self.lon_deg is not None and not -180 <= self.lon_deg <= 180:
            found.append(f"lon_deg {self.lon_deg}: wanted -180 to 180")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A unit served an asset from `from_utc_ms` until before `to_utc_ms` (None: it still does)."""

    unit: str
    asset: str
    from_utc_ms: int
    to_utc_ms: int | None = None

    def overlaps(self, other: Served) -> bool:
        """Whether there is an instant that both hold."""
        begins_before_its_end = other.to_utc_ms is None or self.from_utc_ms < other.to_utc_ms
        return begins_before_its_end and (self.to_utc_ms is None or other.from_utc_ms < self.to_utc_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sim:
    """A SIM card: whose network, what its plan allows a month, and the access point it dials ("": the operator's own).

    Which box it is in is the box's word (`Unit.iccid`): one SIM is in one box.
    """

    iccid: str
    operator: str = ""
    plan_mb: int = 0
    apn: str = ""

    def problems(self) -> list[str]:
        """What is wrong with it, each with what would be right."""
        found = []
        if not _ICCID.fullmatch(self.iccid):
            found.append(f"iccid {self.iccid!r}: wanted 18 to 20 digits that begin with 89, as printed on the SIM")
        if self.plan_mb < 0:
            found.append(f"plan_mb {self.plan_mb}: wanted 0 (not known) or more")
        if self.apn and not _APN.fullmatch(self.apn):
            found.append(f"apn {self.apn!r}: wanted letters, digits, dots and -, such as internet")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One certificate that was issued: to whom, for which key (SHA-256 hex), how (code, renewal, late), until when."""

    serial: str
    name: str
    role: str
    key: str
    how: str
    at_utc_ms: int
    ends_utc_ms: int
    revoked_utc_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSheet:
    """An acceptance sheet as it was signed: `content` is JSON, `signature` base64 of DER, `certificate` PEM.

    `digest` is SHA-256 of `content`, hex; `serial` and `key` name the certificate and the key that signed, as in
    Enrolment.
    """

    digest: str
    unit: str
    at_utc_ms: int
    verdict: str
    attended: bool
    serial: str
    key: str
    content: str
    signature: str
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: who did what to what, when; `before` and `after` are the document, None: there was none."""

    at_utc_ms: int
    who: str
    verb: str
    table: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def as_document(value: Unit | Asset | Served | Sim | Enrolment | KeptSheet | Change) -> dict[str, Any]:
    """The value as the registry keeps it."""
    return asdict(value)
