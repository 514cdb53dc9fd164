"""Deterministic filters over instructions and pairs, one family a file."""
