"""The progress and the end of a run on this machine."""
