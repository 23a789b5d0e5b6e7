"""Storage: analyses, recordings, and their retention."""
