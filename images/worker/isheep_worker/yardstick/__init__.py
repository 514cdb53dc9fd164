"""What the yardstick measures, and how the models of a run are compared with M(0)."""
