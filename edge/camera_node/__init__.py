"""The agent of a camera pole: says of each of its cameras whether it still sees.

Which module gives what is in docs/camera-node.md.
"""
