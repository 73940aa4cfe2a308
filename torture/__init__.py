"""The fault suite: breaks a running city on purpose and holds what is stored against what was put in."""
