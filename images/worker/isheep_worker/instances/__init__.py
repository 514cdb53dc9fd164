"""Forms of instances of a task: the prompt and the parser; one form a file (Self-Instruct).

A form contains both the prompt and the parser, because they depend on each other. The stage
instantiate contains neither.
"""
