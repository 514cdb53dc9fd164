"""How a run is read from a file and from `--set`: every problem with its place."""
