"""The web: what requests hold, what answers say, who may ask."""
