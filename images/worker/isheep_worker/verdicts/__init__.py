"""Verdicts over a series of models on one metric: the best model, and whether to stop."""
