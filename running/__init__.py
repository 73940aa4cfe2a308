"""How a process of ours lives under systemd, at the edge and at the centre: its turns, and what the manager is told."""
