"""Archives: hundreds of thousands of recordings, analysed on all cores here or on a cluster.

The rule: what is done is on the disk and is not done again; what is in memory does not grow with
the archive, but for a few bytes for each recording that is done.
"""
