"""A project's keys, and a remote in memory that can fail at any operation."""

from __future__ import annotations

import pytest

from flagctl.ops.target import Target
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import Project


@pytest.fixture(scope="module")
def project() -> Project:
    return Project()


@pytest.fixture
def remote() -> MemoryRemote:
    return MemoryRemote()


@pytest.fixture
def target(project: Project, remote: MemoryRemote) -> Target:
    return project.target(remote)
