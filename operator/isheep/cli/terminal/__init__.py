"""What each command needs to talk to a terminal: safe text, errors, questions."""
