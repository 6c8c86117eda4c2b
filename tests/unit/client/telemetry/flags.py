"""A bundle to report on, and a client with sinks that serves it."""

from __future__ import annotations

from typing import Any

from flagctl.client import Client
from flagctl.client.telemetry import Telemetry
from flagctl.evaluator import load
from tests.generators.layout import bundle_of, lay_out

QUICK: dict[str, Any] = {"flush_interval": 0.01, "usage_window": 0.05}

BOOLEAN: dict[str, Any] = {
    "type": "boolean",
    "variants": [["on", True], ["off", False]],
    "off": 1,
    "default": {"serve": 1},
}
EXPERIMENT: dict[str, Any] = {
    "id": "test",
    "experiment": {
        "key": "button-test",
        "status": "running",
        "salt": "button-test/allocation",
        "slots": [[0, 100_000]],
    },
    "split": [[50_000, 0], [100_000, 1]],
    "salt": "button-test",
}


def entries(**changes: Any) -> dict[str, Any]:
    """Return flags: `plain` is on, `button` an experiment for all but Germans, `needs-button` has it as prerequisite."""
    germans = {"id": "germans", "serve": 0, "when": [{"attribute": "country", "operator": "equals", "value": "DE"}]}
    strings = {"type": "string", "variants": [["red", "#f00"], ["blue", "#00f"]], "default": {"serve": 0}}
    by_email = {**EXPERIMENT, "unit": "email", "experiment": {**EXPERIMENT["experiment"], "key": "mail-test"}}
    in_layer = {
        **EXPERIMENT,
        "unit": ["account", "id"],
        "experiment": {**EXPERIMENT["experiment"], "key": "layer-test", "salt": "homepage/allocation"},
    }
    done = {"id": "test", "serve": 0, "experiment": {"key": "old-test", "status": "completed"}}
    return {
        "plain": {**BOOLEAN, "default": {"serve": 0}},
        "button": {**BOOLEAN, "rules": [germans, EXPERIMENT]},
        "color": {
            **strings,
            "rules": [{**EXPERIMENT, "experiment": {**EXPERIMENT["experiment"], "key": "color-test"}}],
        },
        "mail": {**BOOLEAN, "rules": [by_email]},
        "layered": {**BOOLEAN, "rules": [in_layer]},
        "old": {**BOOLEAN, "rules": [done]},
        "needs-button": {**BOOLEAN, "prerequisites": [["button", ["on", "off"]]], "default": {"serve": 0}},
        **changes,
    }


def bundle(pii: tuple[Any, ...] = (), **changes: Any) -> bytes:
    """Return the bundle of `entries`, with personal attributes."""
    experiments = {
        "button-test": {"flag": "button"},
        "color-test": {"flag": "color"},
        "mail-test": {"flag": "mail"},
        "layer-test": {"flag": "layered"},
        "old-test": {"flag": "old"},
    }
    content = bundle_of(entries(**changes), experiments=experiments)
    if pii:
        content["bundle"]["pii"] = list(pii)
    return lay_out(content)


def client_of(*sinks: Any, data: bytes | None = None, **options: Any) -> Client:
    """Return a client that reports quickly."""
    return Client(
        "file:///fixed",
        environment="production",
        fixed=load(bundle() if data is None else data),
        sinks=sinks,
        telemetry=Telemetry(**{**QUICK, **options}),
    )
