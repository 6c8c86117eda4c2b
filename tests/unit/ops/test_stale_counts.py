"""What nobody asks for, and what does not exist, from events that applications' clients really wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import flagctl
from flagctl.client.sinks.jsonl import JsonlSink
from flagctl.client.sinks.parquet import ParquetSink
from flagctl.client.telemetry import Telemetry
from flagctl.compiler import compile_environment
from flagctl.errors import UsageError
from flagctl.ops.loading import load, readable
from flagctl.ops.stale import StaleFinding, StaleOptions, StaleResult, stale
from flagctl.report.stale import render_stale_markdown

CONFIG = "version: 1\nproject: shop\nenvironments: {production: {}}\n"
FLAGS = {
    "asked": "default: off",
    "lonely": "default: off",
    "parent": "default: on",
    "child": "default: on\nprerequisites: [{flag: parent, variants: [on]}]",
}


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    root = tmp_path / "flags"
    root.mkdir()
    (root / "flagctl.yaml").write_text(CONFIG)
    for key, rest in FLAGS.items():
        (root / f"{key}.yaml").write_text(f"kind: flag\nkey: {key}\nowner: team-a\ntype: boolean\n{rest}\n")
    return root


def asked(flags: Path, sink: Any, *keys: str, **telemetry: Any) -> None:
    """Let an application ask for keys, and write what its client saw."""
    bundle = flagctl.load(compile_environment(readable(load(flags)), "production").data)
    client = flagctl.Client(
        "shop", environment="production", fixed=bundle, sinks=[sink], telemetry=Telemetry(**telemetry)
    )
    for key in keys:
        client.is_enabled(key, {"targeting_key": "user-1"})
    client.close()


def looked(flags: Path, events: Path, **more: Any) -> StaleResult:
    return stale(StaleOptions(root=flags, now_ms=now_ms() + 1000, events=str(events), **more))


def found(result: StaleResult, reason: str) -> dict[str, StaleFinding]:
    return {one.key: one for one in result.findings if one.reason == reason}


@pytest.mark.parametrize("sink", [JsonlSink, ParquetSink])
def test_flags_that_no_application_asked_for_are_found_and_what_others_need_is_not(
    flags: Path, tmp_path: Path, sink: Any
) -> None:
    asked(flags, sink(tmp_path / "events"), "asked", "child", "asked")
    never = found(looked(flags, tmp_path / "events"), "never-evaluated")
    assert set(never) == {"lonely"}
    today = datetime.now(UTC).date().isoformat()
    assert f"to {today}" in never["lonely"].evidence


@pytest.mark.parametrize("sink", [JsonlSink, ParquetSink])
def test_keys_that_applications_ask_for_and_nobody_made_are_found_with_what_was_meant(
    flags: Path, tmp_path: Path, sink: Any
) -> None:
    asked(flags, sink(tmp_path / "events"), "lonley", "lonley", "qqqqqqqq")
    unknown = found(looked(flags, tmp_path / "events"), "unknown-key")
    assert set(unknown) == {"lonley", "qqqqqqqq"}
    assert "asked for it 2 times" in unknown["lonley"].evidence
    assert "did they mean 'lonely'?" in unknown["lonley"].suggestion
    assert "mean" not in unknown["qqqqqqqq"].suggestion


def test_a_flag_that_was_asked_for_before_it_was_deleted_is_no_unknown_key(flags: Path, tmp_path: Path) -> None:
    asked(flags, JsonlSink(tmp_path / "events"), "asked", "lonely")
    (flags / "lonely.yaml").unlink()
    assert found(looked(flags, tmp_path / "events"), "unknown-key") == {}
    again = tmp_path / "flags-after"
    flags.rename(again)
    asked(again, JsonlSink(tmp_path / "events"), "lonely")
    assert "asked for it 1 times" in found(looked(again, tmp_path / "events"), "unknown-key")["lonely"].evidence


def test_without_counts_nothing_is_said_to_be_unused(flags: Path, tmp_path: Path) -> None:
    asked(flags, JsonlSink(tmp_path / "events"), "asked")
    late = stale(StaleOptions(root=flags, now_ms=now_ms() + 90 * 86_400_000, events=str(tmp_path / "events")))
    assert found(late, "never-evaluated") == {}
    assert any("has no counts from" in note for note in late.notes)


def test_a_report_says_how_many_days_its_counts_are_of(flags: Path, tmp_path: Path) -> None:
    asked(flags, JsonlSink(tmp_path / "events"), "asked")
    text = render_stale_markdown(looked(flags, tmp_path / "events"))
    assert "counts are of 1 of 30 days only" in text
    assert "| `lonely` | team-a | **never-evaluated**: no application asked for it from" in text


def test_a_sampled_log_is_said_to_be_one(flags: Path, tmp_path: Path) -> None:
    only = JsonlSink(tmp_path / "events", accepts=["evaluations"])
    asked(flags, only, "asked", "child", log_rate=1.0)
    result = looked(flags, tmp_path / "events")
    assert any("sampled log" in note for note in result.notes)
    assert set(found(result, "never-evaluated")) == {"lonely"}


def test_damaged_events_are_mentioned(flags: Path, tmp_path: Path) -> None:
    asked(flags, JsonlSink(tmp_path / "events"), "asked")
    (file,) = (tmp_path / "events" / "usage").glob("*/*.jsonl")
    file.write_text(file.read_text() + "{broken\n")
    assert any(note.startswith("events: ") for note in looked(flags, tmp_path / "events").notes)


def test_events_that_are_not_there_are_an_error(flags: Path, tmp_path: Path) -> None:
    from flagctl.errors import FlagctlError

    with pytest.raises(FlagctlError):
        looked(flags, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="who asks for what"):
        stale(StaleOptions(root=flags, now_ms=now_ms(), reasons=("never-evaluated",)))
