"""Results of experiments: made-up events in, verdict and reports out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
END = "2026-12-05T12:00:00Z"


def obeys(name: str, data: object) -> None:
    schema = json.loads((ROOT / "schemas" / f"output-{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


class Tags(HTMLParser):
    """Follows which elements are open."""

    void = frozenset({"meta", "circle", "line"})

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, _attrs):
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, _tag, _attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def shop(example):
    """The example, with a guardrail that need not be proven: that takes more units than a test has.

    The experiment is not registered, so that tests can let it be another one.
    """
    path = example / "experiments" / "ranking-test.yaml"
    text = path.read_text(encoding="utf-8").replace(", margin: 5}", "}")
    path.write_text(text[: text.index("registration:")], encoding="utf-8")
    return example


@pytest.fixture
def events(shop, cli):
    data = cli.json(
        "experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "8000", "--effect", "60"
    )
    obeys("experiment-events", data)
    return "events"


def test_a_large_effect_ships_and_every_report_says_so(shop, cli, events):
    words = ("experiment", "analyze", "ranking-test", "--events", events, "--as-of", END)
    data = cli.json(*words)
    obeys("experiment-analyze", data)
    assert (data["verdict"]["outcome"], data["verdict"]["winner"]) == ("ship", "neural")
    done = cli(*words, "--report", "out.html", "--report", "out.md", "--detailed-exitcode", exit_code=10)
    assert "SHIP  ranking-test" in done.stdout
    assert Path("out.md").read_text(encoding="utf-8").startswith("# SHIP: Neural ranking")
    page = Path("out.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=|https?://(?!www\.w3\.org)|<script", page)
    assert page.count("<svg") >= 4
    assert "How far order is from the control in percentage points (pp)" in page


def test_a_page_is_well_formed_and_escapes_what_files_say(shop, cli, events):
    path = shop / "experiments" / "ranking-test.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: Neural ranking", "name: <b>'\"&"), encoding="utf-8")
    cli("experiment", "analyze", "ranking-test", "--events", events, "--as-of", END, "--report", "out.html")
    page = Path("out.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>'" not in page

    checker = Tags()
    checker.feed(page)
    assert checker.open == []


def test_no_effect_keeps_running_or_ends_without_a_winner(shop, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "same", "--units", "8000", "--effect", "0")
    data = cli.json("experiment", "analyze", "ranking-test", "--events", "same", "--as-of", END)
    assert data["verdict"]["outcome"] in {"keep_running", "inconclusive"}
    assert data["verdict"]["winner"] is None


def test_guardrails_have_a_state_of_their_own(shop, cli, events):
    data = cli.json("experiment", "guard", "ranking-test", "--events", events, "--as-of", END)
    obeys("experiment-guard", data)
    assert data["state"] in {"open", "safe"}


def test_a_harmed_guardrail_exits_with_findings(shop, cli, events):
    path = shop / "experiments" / "ranking-test.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("event: search-error, kind: count", "event: order, kind: count, name: Orders"), encoding="utf-8"
    )
    done = cli("experiment", "guard", "ranking-test", "--events", events, "--as-of", END, exit_code=1)
    assert "harmed" in done.stdout


def test_what_is_missing_is_said_with_the_next_step(shop, cli):
    done = cli("experiment", "analyze", "rankin-test", "--events", "events", exit_code=3)
    assert "did you mean 'ranking-test'?" in done.stderr
    done = cli("experiment", "analyze", "ranking-test", "--events", "nowhere", exit_code=3)
    assert "there is no folder nowhere" in done.stderr


def test_an_environment_without_units_is_asked_about(shop, cli, events):
    words = ("experiment", "analyze", "ranking-test", "--events", events, "--as-of", END)
    said = "  ! nobody was exposed in the environment 'prod': is that its name? "
    assert f"{said}exposures are of simulated" in cli(*words, "--env", "prod").stdout
    early = ("--as-of", "2026-01-01T00:00:00Z")
    assert f"{said}there are no exposures of any other either" in cli(*words, "--env", "prod", *early).stdout
    assert "is that its name" not in cli(*words, "--env", "simulated").stdout


@pytest.mark.parametrize(
    ("name", "said"), [("out.pdf", "a report is .html or .md"), ("no/out.md", "there is no folder no hint: mkdir no")]
)
def test_a_report_that_cannot_be_written_is_refused_before_events_are_read(shop, cli, name, said):
    words = ("experiment", "analyze", "ranking-test", "--events", "nowhere", "--report", name)
    assert said in " ".join(cli(*words, exit_code=2).stderr.split())


def test_a_start_that_was_moved_is_noticed(shop, cli, events):
    words = ("experiment", "analyze", "ranking-test", "--events", events, "--as-of", END)
    assert "exposed-before-start" not in {one["code"] for one in cli.json(*words)["findings"]}
    path = shop / "experiments" / "ranking-test.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("2026-11-20T00", "2026-11-22T00"), encoding="utf-8")
    data = cli.json(*words)
    (found,) = [one for one in data["findings"] if one["code"] == "exposed-before-start"]
    assert (found["blocks"], found["count"] > 300) == (False, True)
    assert (
        "units were exposed before started_at, 2026-11-22T00:00:00Z, and count only from then on: was it moved?"
        in str(data["verdict"]["warnings"])
    )


def test_nobody_exposed_at_all_is_one_sentence(shop, cli, events):
    words = ("experiment", "analyze", "ranking-test", "--events", events, "--as-of", "2026-01-01T00:00:00Z")
    assert "  ! no unit was exposed to any of the variants (2)" in cli(*words).stdout


def test_made_up_events_never_mix_with_others(shop, cli, events):
    done = cli("experiment", "simulate-events", "ranking-test", "--out", events, exit_code=6)
    assert "not empty" in done.stderr


def test_what_was_agreed_to_be_harmless_has_to_be_shown_before_a_variant_ships(shop, cli, events):
    path = shop / "experiments" / "ranking-test.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("kind: count, direction: decrease}", "kind: count, direction: decrease, margin: 1}"),
        encoding="utf-8",
    )
    data = cli.json("experiment", "analyze", "ranking-test", "--events", events, "--as-of", END)
    assert data["verdict"]["outcome"] == "keep_running"
    assert data["verdict"]["reasons"] == [
        "neural is better, but guardrail search-error:count: nothing is shown yet (1 % worse is allowed): from 18.8 % better to 26.1 % worse"
    ]


def test_a_planned_look_reads_nothing_that_came_after_it(shop, cli, events):
    path = shop / "experiments" / "ranking-test.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}decision: {{method: fixed, planned_days: 12}}\n", encoding="utf-8")
    words = ("experiment", "analyze", "ranking-test", "--events", events, "--as-of")
    planned = cli.json(*words, "2026-12-02T00:00:00Z")
    later = cli.json(*words, END)
    assert later["as_of_ms"] == planned["as_of_ms"]
    one, other = (data["metrics"][0]["estimates"][0] for data in (planned, later))
    assert (other["n_control"], other["n_variant"]) == (one["n_control"], one["n_variant"])
    assert other["p_value"] == pytest.approx(one["p_value"], rel=1e-9)
    assert [one["code"] for one in later["findings"]] == ["after-the-look"]
    assert "days after the latest planned look, or after the end, do not count" in later["findings"][0]["message"]


def test_an_experiment_that_may_stop_at_any_time_has_no_planned_look_that_days_could_be_after(shop, cli):
    cli("experiment", "simulate-events", "referral-amount", "--out", "referrals", "--units", "3000")
    words = ("experiment", "analyze", "referral-amount", "--events", "referrals", "--as-of", "2026-10-25T08:00:00Z")
    (finding,) = cli.json(*words)["findings"]
    assert finding["message"] == "5 days after its last window was over do not count"


def test_a_draft_is_called_one_instead_of_being_blamed_for_what_its_start_did_not_register(shop, cli, events):
    data = cli.json("experiment", "analyze", "winback-offer-test", "--events", events, "--as-of", END)
    assert "it is a draft, so its rule serves nobody before it is started" in data["verdict"]["warnings"]
    assert not any("nothing was registered" in one for one in data["verdict"]["warnings"])
