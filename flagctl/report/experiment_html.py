"""What an experiment shows, as one self-contained HTML file: no script, nothing from the network."""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from flagctl import plots
from flagctl.ops.experiment_picture import color_of, effects_svg, over_time_svg
from flagctl.report import experiment_words as words
from flagctl.report.values import show_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagctl.ops.experiment_analyze import AnalyzeResult

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|pp\b)")
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6470;--paper:#fff;--card:#f6f7f9;--rule:#d7dce2;
--red:#b42318;--green:#147a3d;--blue:#1f5fbf;--yellow:#8a5a00;--cyan:#0b6e7f;
--s0:#1f5fbf;--s1:#c2410c;--s2:#147a3d;--s3:#7c3aed;--s4:#0b6e7f;--s5:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa4b1;--paper:#14171c;--card:#1d2229;--rule:#39414c;
--red:#ff8a7d;--green:#6fd08c;--blue:#8ab4ff;--yellow:#f2c14e;--cyan:#6bd3e6;
--s0:#8ab4ff;--s1:#ffa366;--s2:#6fd08c;--s3:#c4a7ff;--s4:#6bd3e6;--s5:#f2c14e}}
*{box-sizing:border-box}body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.badge{display:inline-block;padding:.15rem .6rem;border-radius:.3rem;font-weight:700;letter-spacing:.03em;border:2px solid}
.red{color:var(--red)}.green{color:var(--green)}.blue{color:var(--blue)}.yellow{color:var(--yellow)}.cyan{color:var(--cyan)}
.lead{font-size:1.15rem;margin:.8rem 0 .4rem}.dim{color:var(--dim)}ul{padding-left:1.2rem;margin:.3rem 0}
.warn{border-left:4px solid var(--yellow);background:var(--card);padding:.6rem 1rem;margin:1rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dt{color:var(--dim)}dd{margin:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--rule);white-space:nowrap}
th{white-space:normal;vertical-align:bottom}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2),th:last-child,td:last-child{text-align:left}
td:last-child{white-space:normal}td.said:last-child{min-width:13rem}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:9rem;max-width:18rem}tr.primary td:first-child{font-weight:700}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--ink)}svg .axis{fill:var(--dim);font-size:11px}
.grid{stroke:var(--rule);stroke-width:1}.frame,.zero{stroke:var(--dim);stroke-width:1}.zero{stroke-dasharray:4 3}
.line{fill:none;stroke:var(--s0);stroke-width:2.2}.mark{fill:var(--s0)}.band{fill:var(--s0);opacity:.18}.bar{fill:var(--s0)}
.line.good{stroke:var(--green)}.mark.good{fill:var(--green)}.line.bad{stroke:var(--red)}.mark.bad{fill:var(--red)}
.line.s1{stroke:var(--s1)}.band.s1,.bar.s1{fill:var(--s1)}.line.s2{stroke:var(--s2)}.band.s2,.bar.s2{fill:var(--s2)}
.line.s3{stroke:var(--s3)}.band.s3,.bar.s3{fill:var(--s3)}.line.s4{stroke:var(--s4)}.band.s4,.bar.s4{fill:var(--s4)}
.line.s5{stroke:var(--s5)}.band.s5,.bar.s5{fill:var(--s5)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;color:var(--dim);font-size:.9rem}
.key{display:inline-block;width:.9rem;height:.9rem;border-radius:.2rem;margin-right:.4rem;vertical-align:-.1rem;background:var(--s0)}
.key.s1{background:var(--s1)}.key.s2{background:var(--s2)}.key.s3{background:var(--s3)}.key.s4{background:var(--s4)}.key.s5{background:var(--s5)}
footer{margin-top:3rem;color:var(--dim);font-size:.85rem;overflow-wrap:anywhere}
@media(max-width:34rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}svg{min-width:36rem}
svg text{font-size:14px}svg .axis{font-size:13px}th,td{padding:.35rem .4rem}
table{width:max-content;min-width:100%}td:last-child{min-width:6rem;max-width:14rem}
th:first-child,td:first-child{white-space:normal;overflow-wrap:anywhere;width:6.5rem;min-width:6.5rem;max-width:9rem}}
"""


def render_html(result: AnalyzeResult) -> str:
    """Return the page."""
    color, title = words.OUTCOMES[result.verdict.outcome.value]
    name = result.experiment.name or result.experiment.key
    body = [
        f'<p><span class="badge {color}">{title}</span></p><h1>{escape(name)}</h1>',
        "" if name == result.experiment.key else f'<p class="dim">{escape(result.experiment.key)}</p>',
        f'<p class="lead">{escape(result.verdict.headline)}</p>',
        _list(result.verdict.reasons),
        _warnings(result),
        "<dl>" + "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in words.facts(result)) + "</dl>",
        _section("Results", _results(result), f'<p class="dim">{escape(words.method_note(result.results))}</p>'),
        _section(
            "Effects",
            _picture(
                effects_svg(result.results, words.share),
                "Relative to the control, each with its interval. Green is better and red is worse, by the interval alone.",
            ),
        ),
        _section("The primary metric over time", _over_time(result)),
        _section("Guardrails", _guardrails(result)),
        _section("What is measured", _measured(result)),
        _section("Units per day", _units(result)),
        _section("Shares of units", _srm(result)),
        _section("Distributions", _distributions(result)),
        _section("The Bayesian view", _bayes(result)),
        _section("Parts", _parts(result)),
        _section("By day since the first exposure", _trends(result)),
        _footer(result),
    ]
    inner = _BEFORE_UNIT.sub("&nbsp;", "".join(body))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}: {escape(name)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{inner}</main></body></html>\n"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>" if parts and parts[0] else ""


def _list(items: Iterable[str]) -> str:
    text = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{text}</ul>" if text else ""


def _warnings(result: AnalyzeResult) -> str:
    found = _list(result.verdict.warnings)
    return f'<div class="warn"><strong>Before the numbers</strong>{found}</div>' if found else ""


def _heads(*titles: str) -> str:
    """Return the cells of a table's head; an empty one is none, for those who are read to."""
    return "".join(f"<th scope=col>{escape(one)}</th>" if one else "<td></td>" for one in titles)


def _table_of(head: str, lines: str) -> str:
    return _wide(f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")


def _wide(inner: str) -> str:
    """Return what scrolls on its own where it is wider than the screen, with keys as well."""
    return f'<div class="scroll" tabindex="0">{inner}</div>'


def _results(result: AnalyzeResult) -> str:
    head = _heads("Metric", "Variant", "Control", "Mean", "Effect, relative", "Interval", "p", "")
    lines = []
    for row in words.rows(result.results):
        tone = {"better": "green", "worse": "red"}.get(row.verdict, "dim")
        cells = (row.metric, row.variant, row.control, row.mean, row.effect, row.interval, row.p_value)
        inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr class="{row.role}">{inner}<td class="{tone}">{escape(row.verdict)}</td></tr>')
    if not lines:
        return ""
    return _table_of(head, "".join(lines))


def _picture(svg: str, note: str = "") -> str:
    """Return a picture with what it means; empty without one."""
    if not svg:
        return ""
    return _wide(svg) + (f'<p class="dim">{escape(note)}</p>' if note else "")


def _over_time(result: AnalyzeResult) -> str:
    primary = result.results.primary
    if primary is None:
        return ""
    unit = "percentage points (pp)" if primary.metric.kind == "conversion" else "units of the metric"
    note = (
        f"How far {primary.metric.key} is from the control in {unit}, of all units up to a day."
        " The band holds at every day at once: a difference whose band leaves zero may be believed whenever it does."
    )
    return _picture(over_time_svg(result.results, result.data.started_ms, words.gap), note)


def _guardrails(result: AnalyzeResult) -> str:
    tones = {"harmed": "red", "safe": "green", "no_data": "yellow", "open": "dim"}
    kinds = {metric.key: metric.kind for metric in result.experiment.guardrails}
    lines = "".join(
        f"<tr><td>{escape(one.metric)}</td><td>{escape(one.variant or 'all')}</td>"
        f"<td>{words.gap(kinds[one.metric], one.harm)}</td>"
        f"<td>{words.gap_range(kinds[one.metric], one.harm_low, one.harm_high)}</td>"
        f"<td>{words.gap(kinds[one.metric], one.margin)}</td>"
        f'<td class="said {tones[one.state]}">{escape(one.state.replace("_", " "))}: {escape(one.reason)}</td></tr>'
        for one in result.results.guardrails
    )
    if not lines:
        return ""
    head = _heads("Metric", "Variant", "Harm", "Bounds", "Margin", "")
    note = "Harm is how much worse than the control it is, below zero it is better. The bounds hold at any time."
    return f'{_table_of(head, lines)}<p class="dim">{note}</p>'


def _measured(result: AnalyzeResult) -> str:
    return _list(f"{role}: {key}: {what}" for role, key, what in words.measured(result))


def _units(result: AnalyzeResult) -> str:
    days = result.data.days
    names = list(result.data.units)
    series = [(name, [float(day.units.get(name, 0)) for day in days]) for name in names]
    title = "New units per day and variant"
    return _picture(plots.bars(title, [day.date[5:] for day in days], series, lambda v: f"{v:,.0f}"))


def _srm(result: AnalyzeResult) -> str:
    srm = result.results.srm
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td></td><td>{seen:,}</td><td>{srm.expected[name]:,.0f}</td>"
        f"<td>{(seen / srm.expected[name] - 1) * 100 if srm.expected[name] else 0:+.2f} %</td><td></td></tr>"
        for name, seen in srm.observed.items()
    )
    head = _heads("Variant", "", "Units", "Expected", "Difference", "")
    drivers = _list(f"{name} = {value}: p = {words.p_text(p)}" for name, value, p in srm.drivers[:5])
    always = srm.sequential_p_value
    looked = "" if always is None else f"; by the test that may be looked at every day, p = {words.p_text(always)}"
    return f"<p>{escape(words.shares(result) + looked)}</p>{_table_of(head, lines)}{drivers}"


def _distributions(result: AnalyzeResult) -> str:
    parts = []
    for key, found in result.data.distributions.items():
        series = [
            plots.Series(label=one.variant, points=tuple((value, level) for level, value in one.quantiles))
            for one in found
        ]
        title = f"{key}: share of values up to"
        picture = plots.lines(title, series, lambda v: f"{v * 100:.0f} %", lambda v: f"{v:,.4g}", zero=False)
        if picture:
            zeros = ", ".join(f"{one.variant} {one.zeros * 100:.0f} %" for one in found)
            note = "Upwards the share of values that are at most so large."
            if any(one.zeros >= 0.005 for one in found):
                note += f" Zeros are left out: {zeros}."
            names = "".join(
                f"<tr><td>{escape(one.variant)}</td><td></td>"
                + "".join(f"<td>{words.number(dict(one.quantiles)[level])}</td>" for level in (0.5, 0.9, 0.95, 0.99))
                + "<td></td></tr>"
                for one in found
            )
            head = _heads("Variant", "", "median", "90 %", "95 %", "99 %", "")
            table = _table_of(head, names)
            parts.append(f"<h3>{escape(key)}</h3>{_picture(picture, note)}{table}")
    return "".join(parts)


def _bayes(result: AnalyzeResult) -> str:
    lines = []
    for metric in result.results.metrics:
        for one in metric.posteriors:
            chance, loss = words.gains(metric, one)
            lines.append(
                f"<tr><td>{escape(metric.metric.key)}</td><td>{escape(one.variant)}</td><td>{escape(chance)}</td>"
                f"<td>{escape(loss)}</td><td>{words.gap_range(metric.metric.kind, one.low, one.high)}</td><td></td></tr>"
            )
    if not lines:
        return ""
    titles = ("Metric", "Variant", "Chance to be better", "Expected loss", "95 % credible", "")
    head = _heads(*titles)
    table = _table_of(head, "".join(lines))
    decides = result.results.stage.method == "bayesian"
    use = "The chances of the primary metric decide" if decides else "For understanding only"
    return f'{table}<p class="dim">{use}: stopping when a chance looks good raises false alarms.</p>'


def _parts(result: AnalyzeResult) -> str:
    rows = [
        plots.Interval(
            label=f"{part.dimension} = {part.value}"
            + (f" · {part.estimate.variant}" if len(result.data.units) > 2 else ""),
            middle=part.estimate.difference or 0.0,
            low=part.estimate.low or 0.0,
            high=part.estimate.high or 0.0,
        )
        for part in result.results.parts
        if part.estimate.difference is not None
    ]
    picture = plots.forest("Difference in the primary metric in parts of the units", rows[:40], _gap_of_primary(result))
    notes = [
        f"{one.variant} by {one.dimension}: effects {'differ' if one.corrected_p_value < 0.05 else 'do not differ clearly'}"
        f" (p = {words.p_text(one.corrected_p_value)}, corrected)"
        for one in result.results.differences
    ]
    note = (
        "Difference to the control in the primary metric, each by a single look: for understanding, not for deciding."
    )
    return _picture(picture, note) + _list(notes) if picture else ""


def _trends(result: AnalyzeResult) -> str:
    series = [
        plots.Series(
            label=one.variant,
            points=tuple((float(age), middle) for age, middle, _, _ in one.points),
            band=tuple((low, high) for _, _, low, high in one.points),
            color=color_of(result.results, one.variant),
        )
        for one in result.results.trends
    ]
    title = "Difference by day since the first exposure"
    note = "What each day after a unit's first exposure adds to the difference; an effect of novelty fades."
    return _picture(plots.lines(title, series, _gap_of_primary(result), lambda d: f"day {d:.0f}"), note)


def _gap_of_primary(result: AnalyzeResult) -> Callable[[float], str]:
    """Return what writes differences in the primary metric."""
    primary = result.results.primary
    return partial(words.gap, "" if primary is None else primary.metric.kind)


def _footer(result: AnalyzeResult) -> str:
    experiment = result.experiment
    amended = "".join(
        f"<li>{escape(show_instant(one.at_ms))}: {escape(one.reason)}</li>" for one in experiment.amendments
    )
    return (
        f"<footer><p>Agreed on: {escape(experiment.registration or 'nothing was registered')}.</p>"
        + (f"<p>Amended:</p><ul>{amended}</ul>" if amended else "")
        + f"<p>Read from {escape(result.source)} up to {show_instant(result.data.as_of_ms)}, computed by {escape(result.engine)}."
        " Made by flagctl experiment analyze.</p></footer>"
    )
