"""What pods say about an attempt: their records, results, endings, times and waits. Pure."""
