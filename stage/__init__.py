"""A whole city on one machine: authority, broker, bridge, publisher and units, each a real process."""
