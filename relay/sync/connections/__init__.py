"""Setting a connection up, trying it, and changing it later."""
