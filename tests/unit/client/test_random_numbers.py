"""A program that seeds the generator it shares with us draws what it would draw without us."""

from __future__ import annotations

import random

from flagctl.client.client import Client
from tests.simulators.project import bundle_of, eventually


def test_a_client_leaves_the_random_numbers_of_its_program_alone(project, remote, url):
    project.put(remote, bundle_of(a=True), expires=2**33)
    random.seed(7)
    before = random.getstate()
    with Client(url, environment="production", trust=project.trust_data, poll_interval=0.01) as client:
        assert client.wait_until_ready(20)
        seen = client.status().polls
        assert eventually(lambda: client.status().polls > seen + 5)
        assert random.getstate() == before
