"""The external inputs of a run: models, seed tasks, benchmarks, and their copies in the store."""
