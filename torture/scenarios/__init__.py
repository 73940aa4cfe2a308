"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import disk, kill, link, power

__all__ = ["disk", "kill", "link", "power"]
