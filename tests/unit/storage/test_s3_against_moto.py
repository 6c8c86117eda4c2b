"""The S3 remote against a mock of AWS, whose answers differ from those of other stores in places."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from flagctl.client.sync import Source, pull
from flagctl.errors import ConflictError, RemoteError, UntrustedError
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.storage import Fetched, NotModified, Remote, open_remote
from tests.simulators.project import NOW, Clock, Project, bundle_of

KEY = "production/manifest.json"


@pytest.fixture
def remote(s3_credentials: None) -> Iterator[Remote]:
    with mock_aws():
        boto3.session.Session().client("s3", region_name="us-east-1").create_bucket(Bucket="acme-flags")
        yield open_remote("s3://acme-flags/flags")


def test_objects_conditions_and_tags(remote):
    assert remote.get(KEY, max_bytes=100) is None
    etag = remote.put(KEY, b"one", if_none_match=True)
    assert remote.get(KEY, max_bytes=100) == Fetched(b"one", etag)
    assert isinstance(remote.get(KEY, etag=etag, max_bytes=100), NotModified)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"two", if_none_match=True)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"two", if_match='"another"')
    with pytest.raises(ConflictError):
        remote.put("production/none.json", b"two", if_match=etag)
    assert remote.put(KEY, b"two", if_match=etag) != etag
    assert remote.list("production/") == [KEY]


def test_an_object_that_is_too_large_is_refused(remote):
    remote.put(KEY, b"x" * 101)
    with pytest.raises(UntrustedError):
        remote.get(KEY, max_bytes=100)


def test_a_missing_bucket_is_named(remote):
    with pytest.raises(RemoteError, match="NoSuchBucket"):
        open_remote("s3://no-such-bucket").get(KEY, max_bytes=100)


def test_publishing_and_reading_back(remote):
    project = Project()
    target = project.target(remote)
    for seq, data in enumerate((bundle_of(a=True), bundle_of(a=False)), 1):
        assert publish(target, data, project.publishers, PublishOptions(clock=Clock())).seq == seq
    state = pull(Source(remote), target.reader(), now=NOW).state
    assert state.manifest is not None
    assert state.manifest.seq == 2
