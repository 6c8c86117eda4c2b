"""One Spark for all tests that run in this process: starting it takes longer than they do."""

from __future__ import annotations

import pytest

from flagctl.warehouse.spark import SparkEngine


@pytest.fixture(scope="session")
def running():
    engine = SparkEngine("local[2]", memory_limit="1GB")
    yield engine
    engine.close()
