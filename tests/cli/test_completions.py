"""What a Tab offers; it never fails and never parses the flags."""

from __future__ import annotations

from flagctl.cli.completions import complete_codes, complete_environments, complete_flags, complete_schemas


def test_keys_come_from_file_names(example) -> None:
    keys = complete_flags("")
    assert {"new-checkout-flow", "api-rate-limit"} <= set(keys)
    assert not {"flagctl", "employees", "homepage", "ranking-test"} & set(keys)
    assert complete_flags("new-") == ["new-checkout-flow"]


def test_environments_come_from_the_configuration(example, repo, monkeypatch) -> None:
    assert complete_environments("") == ["development", "staging", "production"]
    monkeypatch.chdir(example)
    assert complete_environments("p") == ["production"]
    (example / "flagctl.yaml").write_bytes(b"\xff")
    assert complete_environments("") == []
    (example / "flagctl.yaml").write_text("version: 1\n")
    assert complete_environments("") == []


def test_outside_of_a_repository_nothing_is_offered(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    assert complete_flags("") == []
    assert complete_environments("") == []


def test_codes_and_schemas_come_from_flagctl_itself() -> None:
    assert "REF102" in complete_codes("ref")
    assert complete_schemas("fl") == ["flag"]
