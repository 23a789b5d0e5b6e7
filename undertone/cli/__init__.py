"""The command line: recordings to a table, by this process or a server."""

# Exit statuses: all were analysed; some were not, or there were none; and so on.
DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
