"""Deliveries, from the door to what EHQ last said of people."""
