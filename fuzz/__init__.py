"""Coverage-guided fuzzing of every parser that faces the outside: `python -m fuzz` (docs/fuzzing.md)."""
