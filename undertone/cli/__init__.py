"""The command line: recordings to a table, by this process or a server."""
