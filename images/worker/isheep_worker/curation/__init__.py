"""How completions become instructions: parsing, rules, deduplication, decontamination."""
