"""Findings about flag files, as data.

A :class:`Diagnostic` names a stable code, a message, the place in the file (both symbolically as a :data:`Route` and
concretely as a :class:`Span`), related places, and where possible a :class:`Fix`. A :class:`RuleInfo` documents a code.
Renderers live in `flagctl.report`; this package imports nothing else of flagctl.
"""

from flagctl.diagnostics.diagnostic import (
    Applicability,
    Diagnostic,
    Edit,
    Fix,
    Related,
    Route,
    Severity,
    Span,
    format_route,
)
from flagctl.diagnostics.rule_info import RuleInfo
from flagctl.diagnostics.suggest import did_you_mean

__all__ = [
    "Applicability",
    "Diagnostic",
    "Edit",
    "Fix",
    "Related",
    "Route",
    "RuleInfo",
    "Severity",
    "Span",
    "did_you_mean",
    "format_route",
]
