"""The numbers of records.proto's enums, for code that has no protobuf library. Portable."""

KIND_TRACK = 0
KIND_EVENT = 1
KIND_HEALTH = 2
KIND_CAMERA = 3
KIND_SNAPSHOT = 4
KIND_RESULT = 5
KIND_REPORTED = 6
KIND_TOMBSTONE = 7
KIND_ANCHOR = 8

KIND_NAMES = {
    KIND_TRACK: "track",
    KIND_EVENT: "event",
    KIND_HEALTH: "health",
    KIND_CAMERA: "camera",
    KIND_SNAPSHOT: "snapshot",
    KIND_RESULT: "result",
    KIND_REPORTED: "reported",
    KIND_TOMBSTONE: "tombstone",
    KIND_ANCHOR: "anchor",
}

CLASS_TRACK = 0
CLASS_ALARM = 1
CLASS_STATUS = 2
CLASS_BULKY = 3
CLASS_LEDGER = 4

CLASS_NAMES = {
    CLASS_TRACK: "track",
    CLASS_ALARM: "alarm",
    CLASS_STATUS: "status",
    CLASS_BULKY: "bulky",
    CLASS_LEDGER: "ledger",
}

SOURCE_UNKNOWN = 0
SOURCE_GNSS = 1
SOURCE_NTP = 2
SOURCE_RECEIPT = 3
