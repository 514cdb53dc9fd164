"""Engines generate text from token ids: vLLM for speed, Transformers for exact reproduction.

`registry.py` lists the engines. A new engine is one module here that has a class with the methods
of `interface.Engine`, one entry in the registry, and one value of the field `engine.type`.
"""
