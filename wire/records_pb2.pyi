from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Class(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASS_TRACK: _ClassVar[Class]
    CLASS_ALARM: _ClassVar[Class]
    CLASS_STATUS: _ClassVar[Class]
    CLASS_BULKY: _ClassVar[Class]
    CLASS_LEDGER: _ClassVar[Class]

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_TRACK: _ClassVar[Kind]
    KIND_EVENT: _ClassVar[Kind]
    KIND_HEALTH: _ClassVar[Kind]
    KIND_CAMERA: _ClassVar[Kind]
    KIND_SNAPSHOT: _ClassVar[Kind]
    KIND_RESULT: _ClassVar[Kind]
    KIND_REPORTED: _ClassVar[Kind]
    KIND_TOMBSTONE: _ClassVar[Kind]
    KIND_ANCHOR: _ClassVar[Kind]
CLASS_TRACK: Class
CLASS_ALARM: Class
CLASS_STATUS: Class
CLASS_BULKY: Class
CLASS_LEDGER: Class
KIND_TRACK: Kind
KIND_EVENT: Kind
KIND_HEALTH: Kind
KIND_CAMERA: Kind
KIND_SNAPSHOT: Kind
KIND_RESULT: Kind
KIND_REPORTED: Kind
KIND_TOMBSTONE: Kind
KIND_ANCHOR: Kind

class Parcel(_message.Message):
    __slots__ = ("outbox_id", "rows", "packed_rows", "waiting_bytes", "session", "boot_id", "sent_boottime_ms")
    OUTBOX_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PACKED_ROWS_FIELD_NUMBER: _ClassVar[int]
    WAITING_BYTES_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_BOOTTIME_MS_FIELD_NUMBER: _ClassVar[int]
    outbox_id: int
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    packed_rows: bytes
    waiting_bytes: int
    session: int
    boot_id: int
    sent_boottime_ms: int
    def __init__(self, outbox_id: _Optional[int] = ..., rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., packed_rows: _Optional[bytes] = ..., waiting_bytes: _Optional[int] = ..., session: _Optional[int] = ..., boot_id: _Optional[int] = ..., sent_boottime_ms: _Optional[int] = ...) -> None: ...

class Rows(_message.Message):
    __slots__ = ("seq_steps", "lengths", "classes", "kinds", "checks", "bodies")
    SEQ_STEPS_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    BODIES_FIELD_NUMBER: _ClassVar[int]
    seq_steps: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    classes: _containers.RepeatedScalarFieldContainer[Class]
    kinds: _containers.RepeatedScalarFieldContainer[Kind]
    checks: int
    bodies: bytes
    def __init__(self, seq_steps: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ..., classes: _Optional[_Iterable[_Union[Class, str]]] = ..., kinds: _Optional[_Iterable[_Union[Kind, str]]] = ..., checks: _Optional[int] = ..., bodies: _Optional[bytes] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("seq_step", "cls", "kind", "check", "body")
    SEQ_STEP_FIELD_NUMBER: _ClassVar[int]
    CLS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    seq_step: int
    cls: Class
    kind: Kind
    check: int
    body: bytes
    def __init__(self, seq_step: _Optional[int] = ..., cls: _Optional[_Union[Class, str]] = ..., kind: _Optional[_Union[Kind, str]] = ..., check: _Optional[int] = ..., body: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("outbox_id", "ranges", "checks", "utc_ms", "store_id", "bulk_after_ms", "new_outbox", "high_seq", "refused")
    OUTBOX_ID_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    UTC_MS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    BULK_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    NEW_OUTBOX_FIELD_NUMBER: _ClassVar[int]
    HIGH_SEQ_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    outbox_id: int
    ranges: _containers.RepeatedScalarFieldContainer[int]
    checks: _containers.RepeatedScalarFieldContainer[int]
    utc_ms: int
    store_id: int
    bulk_after_ms: int
    new_outbox: bool
    high_seq: int
    refused: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, outbox_id: _Optional[int] = ..., ranges: _Optional[_Iterable[int]] = ..., checks: _Optional[_Iterable[int]] = ..., utc_ms: _Optional[int] = ..., store_id: _Optional[int] = ..., bulk_after_ms: _Optional[int] = ..., new_outbox: _Optional[bool] = ..., high_seq: _Optional[int] = ..., refused: _Optional[_Iterable[int]] = ...) -> None: ...

class Stamp(_message.Message):
    __slots__ = ("utc_ms", "boot_id", "boottime_ms")
    UTC_MS_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    BOOTTIME_MS_FIELD_NUMBER: _ClassVar[int]
    utc_ms: int
    boot_id: int
    boottime_ms: int
    def __init__(self, utc_ms: _Optional[int] = ..., boot_id: _Optional[int] = ..., boottime_ms: _Optional[int] = ...) -> None: ...

class Track(_message.Message):
    __slots__ = ("count", "layout", "time", "lat", "lon", "alt", "speed", "course", "hdop", "sats", "missing", "estimated", "boot_id", "observed", "joined", "parked")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    LAT_FIELD_NUMBER: _ClassVar[int]
    LON_FIELD_NUMBER: _ClassVar[int]
    ALT_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    COURSE_FIELD_NUMBER: _ClassVar[int]
    HDOP_FIELD_NUMBER: _ClassVar[int]
    SATS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    count: int
    layout: int
    time: _containers.RepeatedScalarFieldContainer[int]
    lat: _containers.RepeatedScalarFieldContainer[int]
    lon: _containers.RepeatedScalarFieldContainer[int]
    alt: _containers.RepeatedScalarFieldContainer[int]
    speed: _containers.RepeatedScalarFieldContainer[int]
    course: _containers.RepeatedScalarFieldContainer[int]
    hdop: _containers.RepeatedScalarFieldContainer[int]
    sats: _containers.RepeatedScalarFieldContainer[int]
    missing: _containers.RepeatedCompositeFieldContainer[Missing]
    estimated: _containers.RepeatedScalarFieldContainer[int]
    boot_id: int
    observed: int
    joined: _containers.RepeatedScalarFieldContainer[int]
    parked: bool
    def __init__(self, count: _Optional[int] = ..., layout: _Optional[int] = ..., time: _Optional[_Iterable[int]] = ..., lat: _Optional[_Iterable[int]] = ..., lon: _Optional[_Iterable[int]] = ..., alt: _Optional[_Iterable[int]] = ..., speed: _Optional[_Iterable[int]] = ..., course: _Optional[_Iterable[int]] = ..., hdop: _Optional[_Iterable[int]] = ..., sats: _Optional[_Iterable[int]] = ..., missing: _Optional[_Iterable[_Union[Missing, _Mapping]]] = ..., estimated: _Optional[_Iterable[int]] = ..., boot_id: _Optional[int] = ..., observed: _Optional[int] = ..., joined: _Optional[_Iterable[int]] = ..., parked: _Optional[bool] = ...) -> None: ...

class Missing(_message.Message):
    __slots__ = ("column", "bitmap")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    column: int
    bitmap: bytes
    def __init__(self, column: _Optional[int] = ..., bitmap: _Optional[bytes] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("at", "name", "lat_e7", "lon_e7", "fix_age_s", "detail")
    class DetailEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LAT_E7_FIELD_NUMBER: _ClassVar[int]
    LON_E7_FIELD_NUMBER: _ClassVar[int]
    FIX_AGE_S_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    name: str
    lat_e7: int
    lon_e7: int
    fix_age_s: int
    detail: _containers.ScalarMap[str, str]
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., name: _Optional[str] = ..., lat_e7: _Optional[int] = ..., lon_e7: _Optional[int] = ..., fix_age_s: _Optional[int] = ..., detail: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Health(_message.Message):
    __slots__ = ("at", "holdings", "rows", "bytes_on_disk", "oldest_age_s", "shed_by_reason", "rejected_by_reason", "reconnects_today", "bytes_up_today", "bytes_down_today", "cpu_decidegree_c", "undervoltage", "disk_free_bytes", "uptime_s", "firmware", "unobserved_by_reason", "sim", "modem")
    class ShedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RejectedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class UnobservedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    AT_FIELD_NUMBER: _ClassVar[int]
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_ON_DISK_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_S_FIELD_NUMBER: _ClassVar[int]
    SHED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    REJECTED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    RECONNECTS_TODAY_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_TODAY_FIELD_NUMBER: _ClassVar[int]
    BYTES_DOWN_TODAY_FIELD_NUMBER: _ClassVar[int]
    CPU_DECIDEGREE_C_FIELD_NUMBER: _ClassVar[int]
    UNDERVOLTAGE_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPTIME_S_FIELD_NUMBER: _ClassVar[int]
    FIRMWARE_FIELD_NUMBER: _ClassVar[int]
    UNOBSERVED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    SIM_FIELD_NUMBER: _ClassVar[int]
    MODEM_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    holdings: _containers.RepeatedCompositeFieldContainer[Holding]
    rows: int
    bytes_on_disk: int
    oldest_age_s: int
    shed_by_reason: _containers.ScalarMap[str, int]
    rejected_by_reason: _containers.ScalarMap[str, int]
    reconnects_today: int
    bytes_up_today: int
    bytes_down_today: int
    cpu_decidegree_c: int
    undervoltage: bool
    disk_free_bytes: int
    uptime_s: int
    firmware: str
    unobserved_by_reason: _containers.ScalarMap[str, int]
    sim: Sim
    modem: Modem
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., holdings: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., rows: _Optional[int] = ..., bytes_on_disk: _Optional[int] = ..., oldest_age_s: _Optional[int] = ..., shed_by_reason: _Optional[_Mapping[str, int]] = ..., rejected_by_reason: _Optional[_Mapping[str, int]] = ..., reconnects_today: _Optional[int] = ..., bytes_up_today: _Optional[int] = ..., bytes_down_today: _Optional[int] = ..., cpu_decidegree_c: _Optional[int] = ..., undervoltage: _Optional[bool] = ..., disk_free_bytes: _Optional[int] = ..., uptime_s: _Optional[int] = ..., firmware: _Optional[str] = ..., unobserved_by_reason: _Optional[_Mapping[str, int]] = ..., sim: _Optional[_Union[Sim, _Mapping]] = ..., modem: _Optional[_Union[Modem, _Mapping]] = ...) -> None: ...

class Sim(_message.Message):
    __slots__ = ("plan_bytes", "verdict_bytes", "snapshot_bytes", "live_bytes", "backlog_bytes", "housekeeping_bytes", "exhausted_utc_ms", "degree")
    PLAN_BYTES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LIVE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    HOUSEKEEPING_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_UTC_MS_FIELD_NUMBER: _ClassVar[int]
    DEGREE_FIELD_NUMBER: _ClassVar[int]
    plan_bytes: int
    verdict_bytes: int
    snapshot_bytes: int
    live_bytes: int
    backlog_bytes: int
    housekeeping_bytes: int
    exhausted_utc_ms: int
    degree: int
    def __init__(self, plan_bytes: _Optional[int] = ..., verdict_bytes: _Optional[int] = ..., snapshot_bytes: _Optional[int] = ..., live_bytes: _Optional[int] = ..., backlog_bytes: _Optional[int] = ..., housekeeping_bytes: _Optional[int] = ..., exhausted_utc_ms: _Optional[int] = ..., degree: _Optional[int] = ...) -> None: ...

class Modem(_message.Message):
    __slots__ = ("model", "state", "registration", "operator", "cell", "iccid", "rsrp_dbm", "rsrq_db", "sinr_db", "steps", "helped")
    class StepsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class HelpedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    CELL_FIELD_NUMBER: _ClassVar[int]
    ICCID_FIELD_NUMBER: _ClassVar[int]
    RSRP_DBM_FIELD_NUMBER: _ClassVar[int]
    RSRQ_DB_FIELD_NUMBER: _ClassVar[int]
    SINR_DB_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    HELPED_FIELD_NUMBER: _ClassVar[int]
    model: str
    state: str
    registration: str
    operator: str
    cell: str
    iccid: str
    rsrp_dbm: int
    rsrq_db: int
    sinr_db: int
    steps: _containers.ScalarMap[str, int]
    helped: _containers.ScalarMap[str, int]
    def __init__(self, model: _Optional[str] = ..., state: _Optional[str] = ..., registration: _Optional[str] = ..., operator: _Optional[str] = ..., cell: _Optional[str] = ..., iccid: _Optional[str] = ..., rsrp_dbm: _Optional[int] = ..., rsrq_db: _Optional[int] = ..., sinr_db: _Optional[int] = ..., steps: _Optional[_Mapping[str, int]] = ..., helped: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Holding(_message.Message):
    __slots__ = ("outbox_id", "below_seq", "held")
    OUTBOX_ID_FIELD_NUMBER: _ClassVar[int]
    BELOW_SEQ_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    outbox_id: int
    below_seq: int
    held: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, outbox_id: _Optional[int] = ..., below_seq: _Optional[int] = ..., held: _Optional[_Iterable[int]] = ...) -> None: ...

class Camera(_message.Message):
    __slots__ = ("at", "camera", "verdict", "cause", "confidence_percent", "reason", "frames_per_s_x100", "bitrate_kbps")
    AT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_S_X100_FIELD_NUMBER: _ClassVar[int]
    BITRATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    camera: str
    verdict: str
    cause: str
    confidence_percent: int
    reason: str
    frames_per_s_x100: int
    bitrate_kbps: int
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., camera: _Optional[str] = ..., verdict: _Optional[str] = ..., cause: _Optional[str] = ..., confidence_percent: _Optional[int] = ..., reason: _Optional[str] = ..., frames_per_s_x100: _Optional[int] = ..., bitrate_kbps: _Optional[int] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("at", "camera", "media_type", "image", "why")
    AT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    camera: str
    media_type: str
    image: bytes
    why: str
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., camera: _Optional[str] = ..., media_type: _Optional[str] = ..., image: _Optional[bytes] = ..., why: _Optional[str] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("at", "command_id", "ok", "detail")
    AT_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    command_id: str
    ok: bool
    detail: str
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., command_id: _Optional[str] = ..., ok: _Optional[bool] = ..., detail: _Optional[str] = ...) -> None: ...

class Reported(_message.Message):
    __slots__ = ("at", "version", "json")
    AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    version: int
    json: str
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., version: _Optional[int] = ..., json: _Optional[str] = ...) -> None: ...

class Tombstone(_message.Message):
    __slots__ = ("at", "gone")
    AT_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    at: Stamp
    gone: _containers.RepeatedCompositeFieldContainer[Gone]
    def __init__(self, at: _Optional[_Union[Stamp, _Mapping]] = ..., gone: _Optional[_Iterable[_Union[Gone, _Mapping]]] = ...) -> None: ...

class Gone(_message.Message):
    __slots__ = ("outbox_id", "ranges", "reason")
    OUTBOX_ID_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    outbox_id: int
    ranges: _containers.RepeatedScalarFieldContainer[int]
    reason: str
    def __init__(self, outbox_id: _Optional[int] = ..., ranges: _Optional[_Iterable[int]] = ..., reason: _Optional[str] = ...) -> None: ...

class Anchor(_message.Message):
    __slots__ = ("boot_id", "boottime_ms", "utc_ms", "source")
    class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SOURCE_UNKNOWN: _ClassVar[Anchor.Source]
        SOURCE_GNSS: _ClassVar[Anchor.Source]
        SOURCE_NTP: _ClassVar[Anchor.Source]
        SOURCE_RECEIPT: _ClassVar[Anchor.Source]
    SOURCE_UNKNOWN: Anchor.Source
    SOURCE_GNSS: Anchor.Source
    SOURCE_NTP: Anchor.Source
    SOURCE_RECEIPT: Anchor.Source
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    BOOTTIME_MS_FIELD_NUMBER: _ClassVar[int]
    UTC_MS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    boot_id: int
    boottime_ms: int
    utc_ms: int
    source: Anchor.Source
    def __init__(self, boot_id: _Optional[int] = ..., boottime_ms: _Optional[int] = ..., utc_ms: _Optional[int] = ..., source: _Optional[_Union[Anchor.Source, str]] = ...) -> None: ...
