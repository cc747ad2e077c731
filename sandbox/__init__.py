"""Simulators of EngagementHQ and Campaign Monitor over real HTTP.

They are written from the contracts alone and share no code with the relay, so that a
misunderstanding in one cannot hide in the other.
"""
