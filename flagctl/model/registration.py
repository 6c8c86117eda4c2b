"""Pre-registration: a digest of everything about an experiment that must not change once it runs.

What is measured and how it is decided is agreed on before the first result is seen; otherwise whoever looks long enough
finds a metric that moved. The digest covers who is assigned what (flag, variants, control, unit, salts), what is measured
and the decision rule; not names, descriptions, dates or the share of units taken in, which may grow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagctl.model.experiment import Decision, Experiment, Metric


def registration_of(experiment: Experiment) -> str:
    """Return the digest of what is agreed on: ``sha256:`` and 64 hexadecimal digits."""
    text = json.dumps(registered(experiment), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def agreed_registration(experiment: Experiment) -> str | None:
    """Return the digest of what was agreed on last: at the start, or by an amendment; None if nothing was."""
    return experiment.amendments[-1].registration if experiment.amendments else experiment.registration


def registered(experiment: Experiment) -> dict[str, Any]:
    """Return what the digest covers, as JSON data."""
    return {
        "v": 1,
        "flag": experiment.flag,
        "variants": [
            [arm.variant, arm.weight, None if arm.ranges is None else [list(one) for one in arm.ranges]]
            for arm in experiment.variants.arms
        ],
        "control": experiment.control,
        "bucket_by": list(experiment.bucket_by),
        "salt": experiment.allocation_salt,
        "primary": None if experiment.primary is None else _plain(experiment.primary),
        "secondary": [_plain(metric) for metric in experiment.secondary],
        "guardrails": [_plain(metric) for metric in experiment.guardrails],
        "decision": _plain(experiment.decision),
        "breakdowns": list(experiment.breakdowns),
        "bot_events_per_day": experiment.bot_events_per_day,
    }


def _plain(part: Metric | Decision) -> dict[str, Any]:
    """Return the fields that differ from their defaults, so that a field added later leaves old digests alone."""
    result = {}
    for one in fields(part):
        value = getattr(part, one.name)
        if one.name in {"route", "name"} or value == one.default:
            continue
        result[one.name] = {f.name: getattr(value, f.name) for f in fields(value)} if hasattr(value, "event") else value
    return result
