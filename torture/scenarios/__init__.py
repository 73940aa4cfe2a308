"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import kill, link

__all__ = ["kill", "link"]
