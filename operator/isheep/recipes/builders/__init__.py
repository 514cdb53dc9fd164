"""Stages as recipes put them together: one kind a file, each a pure function of the run.

A function here says of one kind of stage which settings its output depends on, which
stages it reads and which model it loads. In what order stages come, and what their
results decide, is a recipe's to say.
"""
