"""Measurements of speed; run one with ``python -m bench.<name>``."""
