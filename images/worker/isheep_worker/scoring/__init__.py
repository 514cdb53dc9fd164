"""Scoring methods: the score of a pair on a level, sampled as in the paper or expected; one a file.

`registry.py` maps the names in `assessment.scoring` to the methods.
"""
