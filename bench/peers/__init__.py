"""What the relay is compared with: each the plain way to do one thing, as short and as fast as it can honestly be."""
