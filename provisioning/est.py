"""What both sides of EST (RFC 7030) agree on."""

from typing import Final

PATH: Final = "/.well-known/est/"
PORT: Final = 8443
