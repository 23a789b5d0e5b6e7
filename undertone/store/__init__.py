"""What is kept: analyses, recordings, and for how long."""
