"""The planner: a pure function from a run, its attempts and the time to the next actions."""
