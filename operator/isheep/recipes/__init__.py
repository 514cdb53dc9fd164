"""Recipes: each is a pure function from a run to its stages.

A recipe never asks the world anything: it gets the resolved spec, what prepare
found out and the statistics of the stages that are committed, and says which
stages follow. The planner gives them keys and order; the drivers carry them out.
"""
