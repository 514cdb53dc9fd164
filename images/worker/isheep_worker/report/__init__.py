"""The report on a run: one HTML page for users and the same content as JSON for programs."""
