"""A slow machine is no failure of a rule."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
