"""Keeps one Campaign Monitor list in step with one EngagementHQ site."""

__version__ = "0.1.0"
