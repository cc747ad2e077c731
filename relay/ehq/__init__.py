"""The source: is this delivery genuine, what does it say, read everyone."""
