"""Constraints that an instruction states in words and that a program can check in a response."""
