"""How a model is asked to go on with a list of tasks, and how its answer is read: one style a file.

Prompt and parser are two sides of one form and stand together; the stages generate and
curate know neither.
"""
