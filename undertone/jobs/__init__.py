"""Jobs: recordings that are analysed in the background, whether anybody waits or not.

The rule: what is known of a job is in the database and its recordings in files, nothing in a
process's memory. Whoever works on an item has claimed it for a short while, goes on saying that it
is alive, and writes the answer in one transaction with the claim's end: each item is answered once.
"""
