"""The scenarios, a module a group; importing this package registers all of them."""

from torture.scenarios import centre, history, kill, link, store

__all__ = ["centre", "history", "kill", "link", "store"]
