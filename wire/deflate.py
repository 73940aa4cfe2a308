"""The former name of pack.py."""

from wire.pack import pack_rows as deflate_rows

__all__ = ["deflate_rows"]
