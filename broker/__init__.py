"""The centre: bridge, store, publisher, ledger and assets."""
