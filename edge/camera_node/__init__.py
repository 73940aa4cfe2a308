"""The agent of a camera pole: says of each of its cameras whether it still sees."""
