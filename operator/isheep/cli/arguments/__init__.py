"""The arguments and options that several commands share, and what they name."""
