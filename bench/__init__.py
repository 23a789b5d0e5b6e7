"""Benchmarks (``make bench``) and a soak test under load (``make soak``)."""
