"""The sentences of reports about experiments, in a terminal, in Markdown and on a page."""

import re
from dataclasses import replace

import numpy as np
import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.data import ArmMetric, DataFinding, DayData, Distribution, MetricData, Moments
from flagctl.experiments.verdict import decide
from flagctl.model import Decision, ExperimentStatus, Metric, registration_of
from flagctl.model.experiment import Amendment
from flagctl.ops.experiment_analyze import AnalyzeResult
from flagctl.report import experiment_words as words
from flagctl.report.experiment import render_analysis
from flagctl.report.experiment_html import render_html
from flagctl.report.experiment_markdown import render_markdown
from flagctl.report.style import PLAIN, Style
from tests.unit.experiments.samples import arm, experiment, observed, share, with_days

ORDER = Metric(kind="conversion", event="order", minimum_effect=5.0)
ERRORS = Metric(kind="conversion", event="error", direction="decrease", margin=20.0)
SPEND = Metric(kind="mean", event="spend", name="Spent in the shop")


def result_of(metrics, *, primary=ORDER, guardrails=(), secondary=(), decision=None, **more):
    """The analysis of an experiment with these metrics, after 14 days."""
    setup = experiment(primary=primary, guardrails=guardrails, secondary=secondary, decision=decision)
    setup = replace(setup, **more.pop("setup", {}))
    data = observed(setup, metrics, **more)
    results = compute(data)
    return AnalyzeResult(data=data, results=results, verdict=decide(data, results), source="events", engine="duckdb")


def conversions(metric, control, variant, n=20_000):
    return {metric.key: MetricData(key=metric.key, arms=(share("off", control, n), share("on", variant, n)))}


def text_of(result, width=None):
    return render_analysis(result, Style(width=width) if width else PLAIN)


def test_a_success_is_said_with_its_effect_its_interval_and_how_far_to_trust_it():
    result = result_of(conversions(ORDER, 1000, 1300))
    text = text_of(result)
    assert text.startswith("SHIP  hero-test\nShip on: it is better on order, and no guardrail is broken.\n")
    assert "  · on: +30.00 % (+" in text
    (row,) = words.rows(result.results)
    assert (row.effect, row.p_value, row.verdict) == ("+30.00 %", "<0.001", "better")
    assert "Chance that such a success is none: 22 % if 10 % of all ideas work, 11 % if 20 % of all ideas work." in text


def test_no_effect_worth_having_is_said_at_the_planned_end():
    text = text_of(result_of(conversions(ORDER, 200_000, 200_300, 2_000_000)))
    assert "NO EFFECT  hero-test\nNo effect worth having: it is smaller than 5 % either way." in text
    assert "Chance that such a success" not in text


def test_without_a_decision_the_control_stays():
    assert "The planned end is reached without a decision; off stays." in text_of(
        result_of(conversions(ORDER, 1000, 1010))
    )


def test_a_broken_guardrail_stops_whatever_the_primary_metric_does():
    metrics = conversions(ORDER, 1000, 1300) | conversions(ERRORS, 400, 800)
    text = text_of(result_of(metrics, guardrails=(ERRORS,)))
    assert (
        "HALT  hero-test\nStop: a guardrail is broken.\n  · guardrail error, on: worse than allowed (20 % worse is allowed)"
        in text
    )
    assert "  harmed   error, on: worse than allowed (20 % worse is allowed)" in text


def test_a_variant_that_is_worse_on_the_primary_metric_stops():
    assert "Stop: on is worse on order.\n  · on: -30.00 % (-" in text_of(result_of(conversions(ORDER, 1000, 700)))


def test_waiting_is_said_with_the_days_that_are_left():
    decision = Decision(planned_days=14, planned_units=20_000)
    assert "Keep running for 1 more day.\n" in text_of(
        result_of(conversions(ORDER, 100, 101, 2000), decision=decision, days=13)
    )
    assert "Keep running for 4 more days.\n" in text_of(
        result_of(conversions(ORDER, 100, 101, 2000), decision=decision, days=10)
    )


def test_wrong_shares_are_said_before_everything_else_and_where_they_come_from():
    parts = {
        "platform": {"web": {"off": 5000, "on": 4000}, "ios": {"off": 5000, "on": 5000}},
        "sdk": {"python": {"off": 10_000, "on": 9000}},
    }
    metrics = {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 500, 10_000), share("on", 600, 9000)))}
    result = result_of(metrics, units_by=parts)
    text = text_of(result)
    assert text.startswith("INVALID  hero-test\nThe result cannot be trusted.\n")
    assert (
        "  · the variants did not get their shares of units: off 10000 instead of 9500, on 9000 instead of 9500 (p = 4e-13)"
        in text
    )
    assert "  · shares are wrong where platform = web" in text
    # All units have the library in common, so it says nothing about where units are lost.
    assert "sdk = python" not in text
    assert "shares      NOT as they should be (p = 4e-13)" in text
    assert "<li>platform = web: p = &lt;0.001</li>" in render_html(result).replace("<0.001", "&lt;0.001")


def test_shares_that_are_odd_are_a_warning_and_too_few_units_are_not_tested():
    odd = {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 500, 10_200), share("on", 500, 9800)))}
    assert "  ! the shares of units are odd, though not enough to block (p = 0.0047)" in text_of(result_of(odd))
    few = {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 1, 5), share("on", 1, 5)))}
    assert "shares      too few units to test" in text_of(result_of(few))


def test_switchers_bots_and_findings_are_counted():
    finding = DataFinding(code="x", message="events lie", count=1200)
    silent = DataFinding(code="y", message="one day is missing", count=0)
    more = {"switchers": 3, "excluded": {"marked as bots": 7}, "findings": (finding, silent), "immature": 2}
    lines = text_of(result_of(conversions(ORDER, 1000, 1010), **more)).splitlines()
    for line in (
        "  ! events lie (1,200)",
        "  ! one day is missing",
        "  ! 3 units changed variants and were left out",
        "  ! 7 units were left out: marked as bots",
        "waiting     2 units whose window is still open",
    ):
        assert line in lines
    many = text_of(result_of(conversions(ORDER, 1000, 1010), switchers=600))
    assert "  · 600 of 40000 units changed variants (1.5 %)" in many


def test_nothing_registered_is_a_warning_and_amendments_are_in_every_report():
    result = result_of(conversions(ORDER, 1000, 1010), setup={"registration": None})
    assert "nothing was registered at the start" in text_of(result)
    assert "agreed on: `nothing registered`" in render_markdown(result)
    assert "nothing was registered." in render_html(result)
    amendment = Amendment(at_ms=1_760_000_000_000, reason="a *smaller* effect", registration="sha256:" + "1" * 64)
    result = result_of(conversions(ORDER, 1000, 1010), setup={"amendments": (amendment,)})
    assert "  ! what was agreed on was changed while it ran: a *smaller* effect" in text_of(result)
    assert "read by the sequential rule instead of the hybrid one" in text_of(result)
    assert f"- amended 2025-10-09T08:53:20Z: a \\*smaller\\* effect (`sha256:{'1' * 64}`)" in render_markdown(result)
    assert "<li>2025-10-09T08:53:20Z: a *smaller* effect</li>" in render_html(result)
    listed = result.to_dict()["amendments"]
    assert listed == [
        {"at_ms": 1_760_000_000_000, "reason": "a *smaller* effect", "registration": "sha256:" + "1" * 64}
    ]


def test_a_difference_without_a_relative_one_is_said_in_the_metrics_own_unit():
    rng = np.random.default_rng(1)
    arms = (arm("off", rng.normal(-1, 1, 4000)), arm("on", rng.normal(-0.5, 1, 4000)))
    (row,) = words.rows(result_of({SPEND.key: MetricData(key=SPEND.key, arms=arms)}, primary=SPEND).results)
    assert row.effect == "+0.4985"
    assert " to +0." in row.interval
    assert "%" not in row.effect + row.interval


def test_a_metric_without_enough_data_says_why_in_its_row():
    nothing = ArmMetric(variant="on", moments=Moments(n=1, means={"value": 1.0}, covariances={}), conversions=1)
    metrics = {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 10, 500), nothing))}
    result = result_of(metrics, units={"off": 500, "on": 1})
    (row,) = words.rows(result.results)
    assert (row.control, row.effect, row.interval, row.p_value) == ("", "", "", "")
    assert row.verdict == "on has 1 unit; two are the least"
    assert words.method_note(result.results) == ""


def test_before_the_first_unit_there_is_no_table_of_nothing():
    empty = tuple(
        ArmMetric(variant=v, moments=Moments(n=0, means={}, covariances={}), conversions=0) for v in ("off", "on")
    )
    text = text_of(result_of({ORDER.key: MetricData(key=ORDER.key, arms=empty)}, units={"off": 0, "on": 0}))
    assert "METRIC" not in text
    assert "units       0 (off 0, on 0)" in text


def test_a_secondary_metric_is_better_only_after_correction():
    many = tuple(Metric(kind="count", event=f"e{i}") for i in range(8))
    metrics = conversions(ORDER, 1000, 1010, 4000)
    values = np.tile([0.0, 2.0], 2000)
    for index, metric in enumerate(many):
        # Two and a half standard errors for the first one, nothing for the others.
        lift = 2.5 * np.sqrt(2 / 4000) if index == 0 else 0.0
        metrics[metric.key] = MetricData(key=metric.key, arms=(arm("off", values), arm("on", values + lift)))
    result = result_of(metrics, secondary=many)
    first = next(one for one in result.results.metrics if one.metric is many[0])
    shown = next(row for row in words.rows(result.results) if row.metric == many[0].key)
    assert first.estimates[0].p_value < 0.05 < first.corrected_p_values[0]
    assert (shown.verdict, shown.p_value) == ("unclear", words.p_text(first.corrected_p_values[0]))
    corrected = "p of secondary metrics is corrected for their number, intervals are not."
    assert corrected in words.method_note(result.results)
    assert corrected not in words.method_note(result_of(metrics, secondary=many[:1]).results)


@pytest.mark.parametrize(("alpha", "verdict"), [(10.0, "better"), (5.0, "unclear")])
def test_a_secondary_metric_is_held_to_the_risk_that_was_agreed_on(alpha, verdict):
    one = Metric(kind="count", event="visit")
    values = np.tile([0.0, 2.0], 2000)
    arms = (arm("off", values), arm("on", values + 1.9 * np.sqrt(2 / 4000)))
    metrics = conversions(ORDER, 1000, 1010, 4000) | {one.key: MetricData(key=one.key, arms=arms)}
    decision = Decision(method="fixed", planned_days=14, alpha=alpha)
    shown = words.rows(result_of(metrics, secondary=(one,), decision=decision).results)[1]
    assert (shown.p_value, shown.verdict) == ("0.058", verdict)


@pytest.mark.parametrize(("variant", "verdict"), [(300, "better"), (800, "worse"), (505, "unclear")])
def test_less_is_better_where_the_metric_says_so(variant, verdict):
    less = Metric(kind="conversion", event="error", direction="decrease")
    (row,) = words.rows(result_of(conversions(less, 500, variant), primary=less).results)
    assert row.verdict == verdict


def test_numbers_of_any_size_and_none_are_short():
    assert [words.number(one) for one in (None, 0.0, 0.000123456, 12.3456, 999.96, 1234567.8)] == [
        "",
        "0",
        "0.0001235",
        "12.35",
        "1000",
        "1,234,568",
    ]
    assert [words.p_text(one) for one in (None, 0.0009, 0.001, 0.5, 1.0)] == ["", "<0.001", "0.001", "0.5", "1"]
    assert [words.share(one) for one in (None, 0.0, -0.5)] == ["", "+0.00 %", "-50.00 %"]
    assert [words.chance(one) for one in (1.0, 0.9995, 0.9, 0.0005)] == [">99.9 %", ">99.9 %", "90.0 %", "<0.1 %"]


def test_a_number_stays_with_its_percent_sign_and_guardrails_use_the_whole_width():
    metrics = conversions(ORDER, 1000, 1100) | conversions(ERRORS, 400, 402)
    named = replace(ERRORS, name="Errors of the checkout and of everything around it")
    metrics[named.key] = replace(metrics.pop(ERRORS.key), key=named.key)
    result = result_of(metrics, guardrails=(named,))
    for width in range(40, 110):
        lines = text_of(result, width).splitlines()
        assert not [line for line in lines if line.lstrip().startswith("%")]
        assert all(len(line) <= max(width, 60) for line in lines)
    guardrail = text_of(result, 60)[text_of(result, 60).index("Guardrails") :].splitlines()
    assert guardrail[1] == "  open     Errors of the checkout and of everything around"
    assert guardrail[2].startswith("           it, on: nothing is shown yet (20 % worse")


def test_the_method_of_a_rule_is_named_in_words():
    decision = Decision(method="group_sequential", planned_days=14, looks=5)
    result = result_of(conversions(ORDER, 1000, 1300), decision=decision)
    assert "rule        group sequential (decides at planned looks), 5 % risk of a false alarm" in text_of(result)
    assert "at the last planned look" in words.method_note(result.results)
    result = result_of(conversions(ORDER, 1000, 1300), decision=Decision(method="sequential"))
    assert "confidence sequence, valid at any time" in words.method_note(result.results)
    assert "control     off" in text_of(result)


def test_conversions_are_shares_and_their_differences_percentage_points():
    metrics = conversions(ORDER, 1000, 1300) | conversions(ERRORS, 400, 404)
    result = result_of(metrics, guardrails=(ERRORS,))
    assert result.verdict.reasons[-1].endswith("%), 6.5 % instead of 5 %")
    row = words.rows(result.results)[0]
    assert (row.control, row.mean) == ("5 %", "6.5 %")
    page = render_html(result)
    assert "<td>+0.02&nbsp;pp</td><td>-0.4" in page
    assert "Effects are relative to the control." in text_of(result)
    assert "* Primary metric." in text_of(result)


@pytest.mark.parametrize("width", [50, 60, 70])
def test_a_narrow_table_cuts_no_name_of_a_metric_and_keeps_the_mark_of_the_primary_one(width):
    sent = Metric(event="referral-link-sent", kind="conversion")
    redeemed = Metric(event="referral-link-redeemed", kind="conversion")
    metrics = conversions(sent, 1000, 1300) | conversions(redeemed, 400, 404)
    lines = text_of(result_of(metrics, primary=sent, secondary=(redeemed,)), width).splitlines()
    start = lines.index("referral-link-sent *")
    assert lines[start - 1].startswith("VARIANT ")
    assert [line.split()[0] for line in lines[start + 1 : start + 4]] == ["on", "referral-link-redeemed", "on"]
    assert all(len(line) <= width for line in lines)
    assert "METRIC" in text_of(result_of(metrics, primary=sent, secondary=(redeemed,)), 160)


def test_a_guardrail_says_how_much_worse_it_may_be():
    (state,) = result_of(
        conversions(ERRORS, 400, 404) | conversions(ORDER, 9, 9), guardrails=(ERRORS,)
    ).results.guardrails
    assert re.fullmatch(
        r"nothing is shown yet \(20 % worse is allowed\): from [\d.]+ % better to [\d.]+ % worse", state.reason
    )
    (state,) = result_of(
        conversions(ERRORS, 400, 800) | conversions(ORDER, 9, 9), guardrails=(ERRORS,)
    ).results.guardrails
    assert re.fullmatch(r"worse than allowed \(20 % worse is allowed\): it is at least [\d.]+ % worse", state.reason)
    calm = conversions(ERRORS, 40_000, 40_004, 200_000) | conversions(ORDER, 9, 9)
    (state,) = result_of(calm, guardrails=(ERRORS,)).results.guardrails
    assert re.fullmatch(
        r"shown to be within the margin \(20 % worse is allowed\): it is at most [\d.]+ % worse", state.reason
    )


def test_what_each_metric_measures_stands_in_every_file():
    result = result_of(conversions(ORDER, 1000, 1300) | conversions(ERRORS, 400, 404), guardrails=(ERRORS,))
    assert "- primary: **order**: conversion of order, within 7 days, worth having from 5 %" in render_markdown(result)
    assert (
        "<li>guardrail: error: conversion of error, within 7 days, less is better, up to 20&nbsp;% worse"
        in render_html(result)
    )


def test_a_page_names_an_experiment_once_if_it_has_no_other_name():
    page = render_html(result_of(conversions(ORDER, 1000, 1300)))
    assert '<h1>hero-test</h1><p class="lead">' in page


def test_strata_stand_below_the_table_with_their_interval():
    strata = {
        name: MetricData(key=ORDER.key, arms=(share("off", k, 5000), share("on", k + 60, 5000)))
        for name, k in (("web", 400), ("ios", 600))
    }
    result = result_of(conversions(ORDER, 1000, 1120, 10_000), strata={ORDER.key: strata})
    assert "on, post-stratified, single look: +12.00 % (+" in words.method_note(result.results)


def test_parts_that_differ_and_trends_are_things_to_look_into():
    parts = {
        "platform": {
            name: {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 500, 10_000), share("on", k, 10_000)))}
            for name, k in (("web", 900), ("ios", 500))
        }
    }
    ages = tuple(
        (age, MetricData(key=ORDER.key, arms=(share("off", 500, 10_000), share("on", 900 - 130 * age, 10_000))))
        for age in range(4)
    )
    result = result_of(conversions(ORDER, 1000, 1400), breakdowns=parts, by_age={ORDER.key: ages})
    text = text_of(result)
    assert "To look into\n" in text
    assert "  · the effect of on differs by platform (p = <0.001)" in text
    assert "  · the effect of on falls with the days since the first exposure (p = <0.001)" in text
    page = render_html(result)
    assert "on by platform: effects differ (p = " in page
    assert "adds to the difference; an effect of novelty fades." in page


def test_a_variant_has_one_colour_in_all_pictures_of_a_page():
    found = conversions(ORDER, 1000, 1400)
    setup = result_of(found)
    days = tuple(
        DayData(date=f"2026-11-{day + 1:02d}", units={"off": 1000 * day, "on": 1000 * day}, metrics=found)
        for day in range(1, 5)
    )
    data = replace(setup.data, days=days)
    results = compute(data)
    page = render_html(replace(setup, data=data, results=results, verdict=decide(data, results)))
    over_time = page[page.index("The primary metric over time") : page.index("Units per day")]
    assert 'class="band s1"' in over_time
    assert 'class="band s0"' not in over_time
    assert '<li><span class="key s1"></span>on</li>' in page[page.index("Units per day") :]


def test_a_page_says_chances_zeros_and_where_it_was_read_from():
    found = Distribution(
        variant="on", n=100, zeros=0.25, quantiles=tuple((q, 10 * q) for q in (0.1, 0.5, 0.9, 0.95, 0.99))
    )
    result = result_of(conversions(ORDER, 1000, 1400), distributions={ORDER.key: (found,)})
    page = render_html(result)
    assert "<td>>99.9&nbsp;%</td>".replace(">>", ">&gt;") in page
    assert "Zeros are left out: on 25&nbsp;%." in page
    assert "Read from events up to 2025-10-23T08:53:20Z, computed by duckdb." in page
    whole = result_of(conversions(ORDER, 1000, 1400), distributions={ORDER.key: (replace(found, zeros=0.0),)})
    assert "Zeros are left out" not in render_html(whole)


def test_the_test_of_shares_that_may_be_looked_at_every_day_stands_on_the_page():
    result = result_of(conversions(ORDER, 1000, 1400))
    data = with_days(result.data, [{"off": 1500, "on": 1400}] * 3)
    page = render_html(replace(result, data=data, results=compute(data)))
    assert "; by the test that may be looked at every day, p = " in page


def test_a_completed_experiment_is_not_stale_and_its_registration_holds():
    setup = experiment(primary=ORDER)
    setup = replace(setup, status=ExperimentStatus.COMPLETED, registration=registration_of(setup))
    data = replace(observed(setup, conversions(ORDER, 1000, 1010)), freshest_ms=1_760_000_000_000)
    assert decide(data, compute(data)).outcome.value == "inconclusive"


def test_a_bayesian_rule_says_chances_and_losses_wherever_its_result_is_read():
    decision = Decision(method="bayesian", planned_days=14)
    result = result_of(conversions(ORDER, 1000, 1060), decision=decision)
    (found,) = result.results.primary.posteriors
    said = f"on is better with a chance of {words.chance(found.chance_to_win)}; expected loss {words.loss('conversion', found.expected_loss)}; "
    assert said in text_of(result)
    assert said in render_markdown(result)
    assert "The chances of the primary metric decide: stopping when" in render_html(result)
    assert "For understanding only: stopping when" in render_html(result_of(conversions(ORDER, 1000, 1060)))
    less = replace(ORDER, direction="decrease")
    (turned,) = words.posteriors(
        result_of(conversions(less, 1000, 1060), primary=less, decision=decision).results.primary
    )
    chance, loss = words.chance(1 - found.chance_to_win), words.loss("conversion", found.expected_loss_control)
    assert turned.startswith(f"on is better with a chance of {chance}; expected loss {loss}; ")
    assert "is better with a chance" not in text_of(result_of(conversions(ORDER, 1000, 1060)))
