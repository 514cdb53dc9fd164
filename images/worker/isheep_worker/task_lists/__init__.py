"""Styles of task lists: the prompt that a model continues, and the parser; one style a file.

A style contains both the prompt and the parser, because they depend on the same form. The stages
generate and curate contain neither.
"""
