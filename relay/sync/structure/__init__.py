"""Custom fields, options and segments, kept true to the signup form and the groups."""
