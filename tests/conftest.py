"""Settings of all tests."""

from hypothesis import settings

settings.register_profile("lucid", deadline=None)  # a busy machine makes no test fail
settings.load_profile("lucid")
