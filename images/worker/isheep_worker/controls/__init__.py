"""Checks of the scores: damaged responses, and the same pairs in each iteration.

Controls are pairs whose responses were damaged on purpose, one kind of damage a file. An assessor
whose scores mean something gives a damaged response a lower score than the response that it was
made from. `registry.py` has the kinds, and `validity.py` measures how often this is so. `drift.py`
compares the scores of the same pairs by the assessors of different iterations.
"""
