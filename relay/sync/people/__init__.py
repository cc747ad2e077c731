"""One person: why they are on the list or not, and what can be asked for about them."""
