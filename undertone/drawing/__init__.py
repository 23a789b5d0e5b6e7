"""Pictures and reports of an analysis."""
