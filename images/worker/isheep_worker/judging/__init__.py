"""Judgements of answers by a judge: its prompts, the reading of its answers, and win rates."""
