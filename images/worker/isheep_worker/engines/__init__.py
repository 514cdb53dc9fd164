"""Engines turn token ids into text: vLLM for speed, Transformers for exact reproduction."""
