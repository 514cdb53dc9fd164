"""Prompts as texts and as token ids, and the parsers of the answers to them."""
