"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import clock, disk, gnss, kill, link, power

__all__ = ["clock", "disk", "gnss", "kill", "link", "power"]
