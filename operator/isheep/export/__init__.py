"""What leaves the store: D(t) in the formats of training libraries, models, and their cards."""
