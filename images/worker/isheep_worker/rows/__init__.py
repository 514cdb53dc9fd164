"""The rows that stages write and read, the records that people write, and seeds for items."""
