"""The long game of the protocol's machine: ``--hypothesis-profile=long``."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "long",
    max_examples=500,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
