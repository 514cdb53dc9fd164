"""How instances of a task are asked for and read: one form a file (Self-Instruct).

Prompt and parser are two sides of one form and stand together; the stage instantiate
knows neither.
"""
