"""Batch analysis of archives with hundreds of thousands of recordings, on all cores or a cluster.

Rule: finished results are on the disk and are not computed again. Memory does not grow with the
archive, except for a few bytes for each finished recording.
"""
