"""The figures of a run as text."""
