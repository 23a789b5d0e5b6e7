"""Recordings: decoding to samples, speech detection and voice measurements."""
