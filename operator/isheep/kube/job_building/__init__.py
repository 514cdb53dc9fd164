"""How a `Start` of the plan becomes a Job: its pods, volumes, Services and failure policy. Pure."""
