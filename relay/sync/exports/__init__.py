"""Sites that are read by the CSV exports of an administrator."""
