"""`trust add-key`, `remove-key`, `new-version`, `sign`, `show --draft`, `push`: the runbook, typed."""

from __future__ import annotations

from tests.cli.test_publish import client

KEYS = ".flagctl/keys"


def test_the_runbook_for_a_stolen_publishing_key(cli, repo) -> None:
    remote = (repo / ".flagctl/remote").as_uri()
    cli("publish", "development")
    cli("kill", "new-checkout", "--env", "development", "--reason", "x", "--no-git")
    with client(repo) as app:
        cli("keys", "generate", f"{KEYS}/publish-2.key")
        added = cli("trust", "add-key", f"{KEYS}/publish-2.key.pub", "--role", "publish").stdout
        assert "next root of trust: not complete" in added
        removed = cli("trust", "remove-key", f"{KEYS}/publish.key.pub").stdout
        assert "epoch 1 → 2" in removed
        signed = cli("trust", "sign", "--key", f"{KEYS}/root.key")
        assert "next root of trust: complete" in signed.stdout
        assert "flagctl trust push URL --trust" in signed.stderr
        assert "complete" in cli("trust", "show", "--draft").stdout
        pushed = cli("trust", "push", remote, "--trust", "trust.next.json")
        assert "2 (epoch 2)" in pushed.stdout
        assert "kills --renew" in pushed.stderr
        cli("kills", "--env", "development", "--renew")
        assert "--recover" in cli("publish", "development", "--key", f"{KEYS}/publish-2.key", exit_code=6).stderr
        cli("publish", "development", "--recover", "--key", f"{KEYS}/publish-2.key")
        (repo / "trust.next.json").replace(repo / "trust.json")
        app.refresh()
        status = app.status()
        assert (status.epoch, status.seq, status.killed) == (2, 1, ("new-checkout",))
    cli("publish", "development", "--heartbeat", exit_code=2)
    assert "2 (epoch 2)" in cli("trust", "show").stdout


def test_an_incomplete_root_is_not_pushed(cli, repo) -> None:
    remote = (repo / ".flagctl/remote").as_uri()
    cli("trust", "push", remote)
    cli("trust", "new-version", "--raise-epoch")
    cli("trust", "push", remote, "--trust", "trust.next.json", exit_code=5)
    assert not (repo / ".flagctl/remote/trust/2.json").exists()


def test_mistakes_are_told(cli, repo) -> None:
    assert "is no threshold" in cli("trust", "new-version", "--threshold", "root", exit_code=2).stderr
    assert (
        "there is no role 'boss'"
        in cli("trust", "add-key", f"{KEYS}/root.key.pub", "--role", "boss", exit_code=2).stderr
    )
    cli("trust", "new-version")
    assert "in neither root role" in cli("trust", "sign", "--key", f"{KEYS}/publish.key", exit_code=2).stderr
    cli("trust", "sign", "--key", f"{KEYS}/root.key")
    assert "1 signatures were made for other content" in cli("trust", "new-version").stderr
