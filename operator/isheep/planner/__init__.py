"""The planner: what to do next for a run, as a pure function of what is known of it."""
