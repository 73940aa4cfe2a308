"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import clock, gnss, kill, link

__all__ = ["clock", "gnss", "kill", "link"]
