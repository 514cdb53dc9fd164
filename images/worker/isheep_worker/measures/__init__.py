"""What a model makes of a pair that it reads rather than writes: losses, and where it lies."""
