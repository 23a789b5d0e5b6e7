"""Command line: analyse recordings in this process or on a server and print a table."""

# Exit statuses. FAILED: some recordings were not analysed, or there were none.
DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
