"""The stage programs, one for each stage kind, and the registry that finds them by kind.

A stage program is a module with the name of its kind and a function `run(context)`, which
`process/worker.py` calls. A program that sends prompts to a model also has a function
`longest_prompts(settings, known)`, which prepare calls. A new stage kind is one module here and one
row in `isheep.recipes.stage_kinds`.
"""
