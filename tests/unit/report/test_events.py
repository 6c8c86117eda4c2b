"""Renderers that show what happened: the demo, publications, checks of the machine, bundles."""

from __future__ import annotations

from pathlib import Path

from flagctl.ops.bench import BenchResult, CaseTiming, LargeTiming
from flagctl.ops.demo import ApplicationSaid, CommandEnded, CommandStarted, DemoResult, FileEdited, StepStarted
from flagctl.ops.doctor import Check, DoctorResult, Verdict
from flagctl.ops.publish_model import PublishResult
from flagctl.ops.rollback import LogEntry
from flagctl.ops.status import EnvironmentStatus
from flagctl.report.bench import render_bench
from flagctl.report.demo import render_event
from flagctl.report.doctor import render_doctor
from flagctl.report.publication import (
    LogTable,
    StatusTable,
    publication_hint,
    render_log,
    render_publication,
    render_status,
)
from flagctl.report.style import Style


def test_events_of_the_demo() -> None:
    style = Style()
    assert render_event(StepStarted(number=1, title="Check", text="What"), style) == "\n1. Check\nWhat\n"
    assert render_event(CommandStarted(shown="flagctl test"), style) == "$ flagctl test"
    assert render_event(CommandEnded(output="a\nb", exit_code=0, seconds=1.0), style) == "  a\n  b\n"
    assert render_event(CommandEnded(output="", exit_code=0, seconds=1.0), style) == ""
    assert "(exit code 1)" in render_event(CommandEnded(output="a", exit_code=1, seconds=1.0), style)
    edited = render_event(FileEdited(path="a.yaml", old="same\n  x: 1", new="same\n  x: 2"), style)
    assert edited == "edit a.yaml\n  - x: 1\n  + x: 2\n"
    assert render_event(ApplicationSaid(lines=("on",)), style) == "the application:\n  > on\n"
    assert "before the command" in render_event(ApplicationSaid(lines=(), seconds=1.0, lead=0.1), style)
    assert "250 ms later" in render_event(ApplicationSaid(lines=(), seconds=1.0, lead=-0.25), style)
    result = DemoResult(directory=Path("x"), remote="file:///x", seconds=2.5, timings=(("test", 0.5),))
    assert "Done in 2.5 s" in render_event(result, style)
    assert "500 ms" in render_event(result, style)


def publication(**parts: object) -> PublishResult:
    settings = {
        "action": "published",
        "dry_run": False,
        "environment": "production",
        "project": "shop",
        "url": "file:///x",
        "epoch": 1,
        "seq": 2,
        "previous_seq": 1,
        "bundle_sha256": "b" * 64,
        "previous_bundle_sha256": "a" * 64,
        "size": 100,
        "blob_size": 50,
        "issued": "2026-01-01T00:00:00Z",
        "expires": "2026-02-01T00:00:00Z",
        "commit": "c" * 40,
        "ref": None,
        "uploaded": True,
        "attempts": 1,
        "log_key": "x",
    }
    return PublishResult(**{**settings, **parts})  # type: ignore[arg-type]


def test_publications_say_from_what_to_what() -> None:
    text = render_publication(publication(), Style())
    assert "bundle   aaaaaaaaaaaaaaaa → bbbbbbbbbbbbbbbb" in text
    assert "number   1 → 2" in text
    assert "commit   cccccccccccc" in text
    assert publication_hint(publication()) == "to go back: flagctl rollback production --to 1"
    first = publication(previous_seq=None, previous_bundle_sha256=None, commit=None)
    assert "→" not in render_publication(first, Style())
    assert publication_hint(first) is None
    assert publication_hint(publication(dry_run=True)) is None
    assert "would be rolled back" in render_publication(publication(action="rolled-back", dry_run=True), Style())
    assert "live already" in render_publication(publication(action="unchanged", dry_run=True), Style())


def status(**parts: object) -> EnvironmentStatus:
    settings = {
        "environment": "production",
        "project": "shop",
        "url": "file:///x",
        "state": "live",
        "trust_version": 1,
        "trust_expires": "2030-01-01T00:00:00Z",
        "trust_expired": False,
    }
    return EnvironmentStatus(**{**settings, **parts})  # type: ignore[arg-type]


def test_states_say_how_long_they_hold_and_what_is_wrong() -> None:
    live = status(
        seq=3, bundle_sha256="a" * 64, expires="2026-02-01T00:00:00Z", expires_in_seconds=90_000, drift="in-sync"
    )
    text = render_status(StatusTable(environments=(live,)), Style())
    assert "production  live, same as the flags here" in text
    assert "(in 1 d 1 h)" in text
    gone = status(state="expired", expires="2026-02-01T00:00:00Z", expires_in_seconds=-60, warnings=("renew it",))
    assert "(60 s ago)" in render_status(StatusTable(environments=(gone,)), Style())
    assert "! renew it" in render_status(StatusTable(environments=(gone,)), Style())
    lost = status(state="unreachable", error="no route", hint="try later")
    assert "! no route\n    try later" in render_status(StatusTable(environments=(lost,)), Style())


def test_a_log_is_a_table_and_an_empty_one_a_sentence() -> None:
    assert render_log(LogTable(environment="x", entries=()), Style()) == "nothing is published yet"
    entry = LogEntry(
        epoch=1, seq=7, bundle_sha256="a" * 64, size=10, commit=None, ref=None, issued="i", expires="e", live=True
    )
    assert render_log(LogTable(environment="x", entries=(entry,)), Style()).splitlines()[1].split()[:3] == [
        *["7", "live", "aaaaaaaaaaaa"]
    ]


def test_checks_have_marks_and_hints() -> None:
    result = DoctorResult(
        checks=(
            Check(name="git", verdict=Verdict.OK, found="2.39"),
            Check(name="keys", verdict=Verdict.WARNING, found="none", hint="make one"),
            Check(name="key a", verdict=Verdict.PROBLEM, found="mode 0644", hint="chmod 600 a"),
        )
    )
    assert not result.healthy
    assert render_doctor(result, Style()).splitlines() == [
        "✓ git    2.39",
        "! keys   none",
        "         make one",
        "✗ key a  mode 0644",
        "         chmod 600 a",
    ]


def test_measurements_have_ratios_and_the_large_bundle_is_optional() -> None:
    case = CaseTiming(
        case="static", method="evaluate", nanoseconds=50.0, p99_nanoseconds=900, reference="call", ratio=1.5, limit=2.0
    )
    small = BenchResult(call_nanoseconds=33.0, hash_nanoseconds=36.0, cases=(case,), large=None)
    assert "50 ns      20.0 M  1.5 x call" in render_bench(small, Style())
    large = LargeTiming(
        flags=1000,
        bytes=20_000,
        open_ms=1.0,
        check_ms=2.0,
        cold_ms=3.0,
        warm_ms=4.0,
        open_megabytes=None,
        used_megabytes=5.0,
    )
    text = render_bench(BenchResult(call_nanoseconds=1.0, hash_nanoseconds=1.0, cases=(case,), large=large), Style())
    assert "A bundle of 1,000 flags, 20 kB" in text
    assert "memory when opened" not in text
