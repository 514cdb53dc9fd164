"""Prompts: what is asked of a model, as text and as token ids, and how its answers are read."""
