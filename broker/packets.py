"""How long a message may be: the broker ends the connection of whoever sends a longer one, the centre's parts included.

Such a part would send it again on its next connection, and say nothing else any more. So whoever makes a message of
what others said keeps to the limit.
"""

from __future__ import annotations

from typing import Final

# The largest record is a snapshot of 256 kB, alone in its parcel; the rest is envelope. Anything longer is
# not ours, and a length field must not make the broker reserve 256 MB.
PACKET_LIMIT_BYTES: Final = 320 * 1024
PAYLOAD_LIMIT_BYTES: Final = PACKET_LIMIT_BYTES - 1024  # topic and headers are shorter
