"""Which extra of pyproject.toml brings which module, so that a missing one can be named."""

EXTRA_OF = {
    "cryptography": "provisioning",
    "google": "broker",
    "orjson": "broker",
    "paho": "gps-unit",
    "pynmea2": "gps-unit",
    "rich": "cli",
    "serial": "gps-unit",
    "tinydb": "gps-unit",
    "typer": "cli",
}


def hint(error: ModuleNotFoundError) -> str | None:
    """What to type to get the missing module; None when it is none of the extras'."""
    extra = EXTRA_OF.get((error.name or "").split(".")[0])
    return None if extra is None else f"pip install 'pantau[{extra}]'"
