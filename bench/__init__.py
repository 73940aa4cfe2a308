"""What pantau costs: bytes on the air, writes on the card, time and memory. `python -m bench NAME [--json]`."""
