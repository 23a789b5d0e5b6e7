"""Charts and reports of an analysis."""
