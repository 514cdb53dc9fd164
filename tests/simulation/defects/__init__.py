"""Defects that the simulation must find: known ones, put back, and mutants of the source."""
