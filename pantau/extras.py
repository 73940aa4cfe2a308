"""Which extra of pyproject.toml brings which module, so that a missing one can be named.

A Debian package holds only what its machine runs: for what tries pantau out it needs a clone of the repository.
"""

EXTRA_OF = {
    "aiohttp": "authority",
    "av": "camera-node",
    "cryptography": "provisioning",
    "dbus_fast": "modem",
    "google": "broker",
    "gpiozero": "check",
    "numpy": "camera-node",
    "orjson": "broker",
    "paho": "gps-unit",
    "polib": "provisioning",
    "prometheus_client": "broker",
    "pynmea2": "gps-unit",
    "rich": "cli",
    "segno": "provisioning",
    "serial": "gps-unit",
    "stage": "run",
    "tinydb": "gps-unit",
    "torture": "run",
    "typer": "cli",
}


def extra_of(error: ModuleNotFoundError) -> str | None:
    """The extra that would bring the missing module; None when none does."""
    return EXTRA_OF.get((error.name or "").split(".")[0])
