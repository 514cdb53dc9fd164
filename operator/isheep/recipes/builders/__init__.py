"""Builders of stages: one stage kind in each file, each a pure function of the run.

A builder determines the settings of a stage (everything that its output depends on), the stages
that it reads, and the model that it loads. The recipe determines the order of the stages and the
decisions that depend on results.
"""
