"""Measurements of speed: ``make bench``, and of steadiness under load: ``make soak``."""
