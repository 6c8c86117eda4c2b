"""`--l2` and `l2:` of `publish`, `rollback`, `kill` and `unkill`; `agent` in a flag repository; `bench --redis`."""

from __future__ import annotations

import json

import flagctl
from tests.cli.test_author import edit
from tests.cli.test_json_outputs import check


def with_cache(repo, valkey) -> None:
    path = repo / "flagctl.yaml"
    text = path.read_text(encoding="utf-8")
    remote = "\nremote:"
    assert remote in text
    before, _, after = text.partition(remote)
    line, _, rest = after.partition("\n")
    if "{" in line:
        line = line.replace("{", '{l2: "' + valkey.url + '", ', 1)
    else:
        line += f'\n  l2: "{valkey.url}"'
    path.write_text(f"{before}{remote}{line}\n{rest}", encoding="utf-8")


def test_publications_and_kills_tell_the_configured_cache(cli, repo, valkey) -> None:
    with_cache(repo, valkey)
    cli("validate")
    result = cli.json("publish", "development")
    check("output-publish.schema.json", result)
    assert result["pushed"] == {"url": valkey.url, "readers": 0}
    assert f"{valkey.url}, 0 clients listening" in cli("publish", "staging").stdout
    result = cli.json("kill", "new-checkout", "--env", "development", "--reason", "test", "--no-git")
    check("output-kill.schema.json", result)
    assert result["pushed"]["readers"] == 0
    assert f"pushed to {valkey.url}" in cli("unkill", "new-checkout", "--env", "development").stdout
    assert f"{valkey.url}, 0 clients listening" in cli("publish", "development").stdout
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    cli("publish", "development")
    assert "pushed" in cli("rollback", "development").stdout
    cli("status")


def test_what_was_pushed_is_what_an_application_reads_from_redis(cli, repo, valkey) -> None:
    cli("publish", "development", "--l2", valkey.url)
    url = f"{valkey.url}?timeout=5"
    with flagctl.Client(url, environment="development", trust=repo / "trust.json") as app:
        assert app.wait_until_ready(20)
        assert app.is_enabled("new-checkout", {"targeting_key": "user-1"})


def test_a_cache_that_is_down_is_a_warning(cli, repo, valkey) -> None:
    valkey.stop()
    result = cli("publish", "development", "--l2", valkey.url)
    assert "development published" in result.stdout
    assert "not pushed" in result.stderr


def test_a_mistyped_cache_is_refused_before_anything_is_published(cli, repo) -> None:
    result = cli("publish", "development", "--l2", "localhost:6379", exit_code=2)
    assert "redis://host:6379/0" in result.stderr
    assert not (repo / ".flagctl" / "remote").exists()
    secret = "redis://:s3cret@host/zero"  # noqa: S105
    result = cli("publish", "development", "--l2", secret, exit_code=2)
    assert "s3cret" not in result.stderr


def test_redis_is_no_place_to_publish_to(cli, repo, valkey) -> None:
    result = cli("publish", "development", "--remote", valkey.url, exit_code=2)
    assert "Redis is a cache" in result.stderr


def test_an_agent_takes_everything_from_the_configuration(cli, repo, valkey) -> None:
    with_cache(repo, valkey)
    cli("publish", "development")
    valkey.flush()
    result = cli("agent", "--once", "--env", "development")
    assert "fresh" in result.stdout
    assert valkey.url in result.stdout
    assert valkey.command("EXISTS", f"flagctl/{project(repo)}/development/manifest.json") == b":1\r\n"
    # Nothing is published to the others.
    result = cli("agent", "--once", "--output-format", "json", exit_code=4)
    state = json.loads(result.stdout)
    check("output-agent.schema.json", state)
    assert {found["environment"]: found["healthy"] for found in state["environments"]}["development"]
    assert state["healthy"] is False


def project(repo) -> str:
    return next(
        line.split(":")[1].strip()
        for line in (repo / "flagctl.yaml").read_text(encoding="utf-8").splitlines()
        if line.startswith("project:")
    )


def test_an_agent_says_what_it_needs(cli, repo, tmp_path, monkeypatch) -> None:
    assert "--to redis://" in cli("agent", "--once", exit_code=2).stderr
    words = ["agent", "--once", "--remote", "file:///nowhere", "--trust", str(repo / "trust.json")]
    assert "--env production" in cli(*words, "--to", "file:///copy", exit_code=2).stderr
    monkeypatch.chdir(tmp_path)
    cli("agent", "--once", exit_code=2)


def test_the_bench_fetches_changes_through_redis(cli, valkey, tmp_path) -> None:
    words = ["bench", "--quick", "--flags", "50", "--redis", valkey.url, "--remote", f"file://{tmp_path}/store"]
    result = cli.json(*words)
    check("output-bench.schema.json", result)
    assert [level["level"] for level in result["levels"]] == ["memory", "first", "redis", "store"]
