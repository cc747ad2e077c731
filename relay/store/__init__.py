"""What we remember: tables and the questions asked of them. Only this package knows SQL."""
