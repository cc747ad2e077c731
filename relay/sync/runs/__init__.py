"""Reconciliation: both sides read completely, compared, repaired; and what a person decides about it."""
