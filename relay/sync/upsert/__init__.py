"""Making Campaign Monitor agree about whoever waits."""
