"""The report: what a run did, for people (one HTML page) and for programs (JSON)."""
