"""Jobs: background analysis of recordings.

All state of a job is in the database and its recordings are in files. No process keeps any of it in
memory. A worker claims an item for a short lease and renews the lease with a heartbeat. It writes
the result and ends the claim in one transaction, so each item gets exactly one result.
"""
