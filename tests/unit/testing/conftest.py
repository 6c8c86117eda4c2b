from __future__ import annotations

import pytest

from flagctl.compiler import compile_environment
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.testing import client_from


@pytest.fixture(scope="session")
def bundle() -> bytes:
    repository = load_tree(read_tree(data_path("flags"))).repository
    assert repository is not None
    return compile_environment(repository, "production").data


@pytest.fixture
def client(bundle):
    with client_from(bundle) as client:
        yield client
