"""The contract on the air between a unit and the centre; imports nothing else of pantau and does no I/O."""
