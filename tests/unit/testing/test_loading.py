from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

import flagctl
from flagctl.errors import BundleFormatError, FindingsError, NothingMatchedError, UsageError
from flagctl.resources import data_path
from flagctl.testing import client_from, flags_from


def test_a_client_of_a_repository_is_a_real_one_without_threads(bundle):
    before = threading.active_count()
    client = client_from(data_path("flags"), environment="production")
    assert threading.active_count() == before
    assert isinstance(client, flagctl.Client)
    assert client.wait_until_ready(0)
    status = client.status()
    assert (status.state, status.project, status.environment) == ("ready", "acme-shop", "production")
    assert status.bundle_sha256 == flagctl.load(bundle).digest
    assert client.refresh() is False
    assert client.snapshot().flags.digest == status.bundle_sha256
    client.add_listener(print)
    assert "state='ready'" in repr(client)
    client.close()
    assert client.status().state == "closed"
    assert client.evaluate_all({"targeting_key": "u"})


def test_a_bundle_may_come_as_bytes_or_as_a_file(tmp_path, bundle):
    (tmp_path / "production.bundle").write_bytes(bundle)
    for source in (bundle, tmp_path / "production.bundle", str(tmp_path / "production.bundle")):
        assert client_from(source).status().flag_count == len(flagctl.load(bundle).keys())
        with pytest.raises(UsageError, match="is of the environment 'production'"):
            client_from(source, environment="staging")
    with pytest.raises(BundleFormatError):
        client_from(b"nothing")


def test_the_instant_can_be_fixed(bundle):
    user = {"targeting_key": "user-2", "country": "DE", "platform": "web", "order_count": 0}
    before = client_from(bundle, at=datetime(2026, 11, 24, tzinfo=UTC))
    after = client_from(bundle, at=datetime(2026, 12, 20, tzinfo=UTC).timestamp())
    assert not before.is_enabled("new-checkout-flow", user)
    assert after.is_enabled("new-checkout-flow", user)
    with pytest.raises(UsageError, match="aware datetime"):
        client_from(bundle, at=datetime(2026, 11, 24))  # noqa: DTZ001


def test_the_environment_may_be_left_out_if_there_is_only_one(tmp_path):
    (tmp_path / "flagctl.yaml").write_text("version: 1\nproject: small\nenvironments: {live: {}}\n")
    (tmp_path / "dark.yaml").write_text("kind: flag\nkey: dark\nowner: team\ntype: boolean\ndefault: on\n")
    assert client_from(tmp_path).is_enabled("dark")
    with pytest.raises(
        UsageError, match="give environment=, or flagctl_environment in pytest's settings; there are: development"
    ):
        client_from(data_path("flags"))
    with pytest.raises(UsageError, match="no environment 'prodution'; did you mean 'production'"):
        client_from(data_path("flags"), environment="prodution")


def test_flags_with_errors_are_refused_and_the_first_are_shown(tmp_path):
    (tmp_path / "flagctl.yaml").write_text("version: 1\nproject: small\nenvironments: {live: {}}\n")
    for name in "abcde":
        (tmp_path / f"{name}.yaml").write_text(f"kind: flag\nkey: {name}\nowner: t\ntype: boolean\ndefault: onn\n")
    with pytest.raises(FindingsError, match=r"have 5 errors:\n  a\.yaml: .*\(REF\d+\)\n(.|\n)*and 2 more"):
        flags_from(tmp_path)


def test_a_place_without_flags_is_named(tmp_path):
    with pytest.raises(NothingMatchedError, match="neither a folder nor a file"):
        client_from(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"flagctl\.yaml"):
        client_from(tmp_path)


def test_a_bundle_needs_nothing_of_the_author_side(tmp_path, bundle):
    (tmp_path / "production.bundle").write_bytes(bundle)
    script = (
        "import sys\nfor name in ('yaml', 'ruamel', 'jsonschema', 'jsonschema_rs', 'git'): sys.modules[name] = None\n"
        "from flagctl.testing import client_from\n"
        f"assert client_from({str(tmp_path / 'production.bundle')!r}).evaluate_all()\n"
        f"try:\n    client_from({str(data_path('flags'))!r}, environment='production')\n"
        "except Exception as error:\n    assert 'flagctl[cli]' in str(error), error\nelse:\n    raise SystemExit('?')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
