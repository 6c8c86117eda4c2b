"""Settings that all tests share."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings

from tests.scale import PROFILE
from tests.simulators.fixtures import fault_proxy, s3_bucket, s3_credentials, s3_server, valkey, valkey_proxy

__all__ = ["fault_proxy", "s3_bucket", "s3_credentials", "s3_server", "valkey", "valkey_proxy"]

settings.register_profile("default", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
for name, examples in (("long", 400), ("thorough", 5_000)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
settings.load_profile(PROFILE)


def pytest_sessionfinish() -> None:
    """Keep what was measured: coverage writes when a process ends, and a worker that takes long to end is killed."""
    if (coverage := sys.modules.get("coverage")) and (measured := coverage.Coverage.current()):
        measured.save()
