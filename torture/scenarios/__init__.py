"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import centre, crowd, history, kill, link, store

__all__ = ["centre", "crowd", "history", "kill", "link", "store"]
