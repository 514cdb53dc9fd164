"""From completions to instructions: parsing, rules, decontamination, deduplication."""
