"""What can go wrong with the contract itself. Portable."""


class PantauError(Exception):
    """Root of every error pantau raises on purpose."""


try:

    class PeerViolation(PantauError, ValueError):  # pyright: ignore[reportRedeclaration]
        """Bytes from outside break the contract: count by reason, drop, go on."""

except TypeError:  # MicroPython: a class has at most one built-in base

    class PeerViolation(PantauError):  # type: ignore[no-redef]
        """Bytes from outside break the contract: count by reason, drop, go on."""
