"""Which extra of pyproject.toml brings which module, so that a missing one can be named."""

EXTRA_OF = {
    "aiohttp": "authority",
    "cryptography": "provisioning",
    "google": "broker",
    "orjson": "broker",
    "paho": "gps-unit",
    "polib": "provisioning",
    "prometheus_client": "broker",
    "pynmea2": "gps-unit",
    "rich": "cli",
    "segno": "provisioning",
    "serial": "gps-unit",
    "tinydb": "gps-unit",
    "typer": "cli",
}


def extra_of(error: ModuleNotFoundError) -> str | None:
    """The extra that would bring the missing module; None when none does."""
    return EXTRA_OF.get((error.name or "").split(".")[0])
