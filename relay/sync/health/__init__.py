"""How a connection is doing, and what stands in the way."""
