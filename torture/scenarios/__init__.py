"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import centre, clock, crowd, disk, gnss, history, kill, link, power, store

__all__ = ["centre", "clock", "crowd", "disk", "gnss", "history", "kill", "link", "power", "store"]
