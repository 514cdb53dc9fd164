"""The file that `isheep init` writes, and its questions."""
