"""How a stage runs: its context, its engine, its parts and its commit."""
