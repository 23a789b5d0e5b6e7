"""Recordings: bytes to samples, where somebody speaks, and what can be measured of a voice."""
