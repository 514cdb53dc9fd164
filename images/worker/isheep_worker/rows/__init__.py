"""Rows that stages write and read, records that users write, and the seeds of items."""
