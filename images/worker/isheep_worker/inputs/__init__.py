"""What a run reads from outside: models, seed tasks, benchmarks, and their copies in the store."""
