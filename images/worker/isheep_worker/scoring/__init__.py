"""How a pair gets a score on a level: sampled as in the paper, or expected; one way a file."""
