"""Checks and resolution of a run's inputs: the work of the stage `prepare`, by subject."""
