"""Measures of pairs from a forward pass: losses, perplexities, vectors and clusters."""
