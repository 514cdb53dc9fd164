"""Rules: deterministic filters over instructions and pairs, one family of rules a file."""
