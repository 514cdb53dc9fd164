"""Figures that show a collapse of a model, computed from its rows and answers."""
