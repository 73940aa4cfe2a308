"""The box in a vehicle: from the receiver's tty to records in the outbox."""
