"""The centre: Mosquitto's configuration, the bridge that stores and receipts, the publisher of the clean topics."""
