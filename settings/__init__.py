"""Configuration files: TOML in, frozen dataclasses out, every problem reported at once.

A schema is data: a frozen dataclass of tables, each a frozen dataclass of `setting(...)` fields. The same fields
give the loader its checks and the documentation its tables (`python -m settings edge.config:UnitConfig`).
"""

from settings.errors import EXIT_CONFIG, ConfigError, Problem
from settings.load import load
from settings.schema import setting

__all__ = ["EXIT_CONFIG", "ConfigError", "Problem", "load", "setting"]
