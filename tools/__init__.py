"""Programs for those who develop Undertone."""
