"""Which rules there are. A rule is a module of `flagctl.lint.rules` with `INFO` and `check`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from flagctl.source.codes import SOURCE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import RuleInfo
    from flagctl.lint.context import LintContext
    from flagctl.lint.finding import Finding

RULE_MODULES: Final[tuple[str, ...]] = (
    "brk101_breaker_without_off",
    "brk102_breaker_that_never_trips",
    "exp101_layer_slots_overlap",
    "exp102_experiment_of_another_flag",
    "exp104_record_in_the_future",
    "exp105_unserved_experiment",
    "exp106_layer_with_mixed_units",
    "exp107_winner_of_unfinished_experiment",
    "exp108_experiment_weights_off_100",
    "exp109_control_outside_experiment",
    "exp110_slots_in_holdout",
    "exp111_changed_after_registration",
    "exp112_metric_named_twice",
    "exp113_meaningless_metric_setting",
    "nam101_key_differs_from_file_name",
    "nam102_duplicate_rule_id",
    "nam103_reserved_rule_id",
    "nam104_inline_value_named_like_variant",
    "own101_missing_owner",
    "own102_expired_flag",
    "own103_temporary_flag_without_expiry",
    "ref101_unknown_variant",
    "ref102_unknown_segment",
    "ref103_unknown_flag",
    "ref104_unknown_experiment",
    "ref105_unknown_attribute",
    "ref106_unknown_environment",
    "ref107_unknown_layer",
    "ref108_unknown_rule",
    "ref201_flag_cycle",
    "ref202_segment_cycle",
    "rol101_weights_do_not_sum_to_100",
    "rol102_untiled_bucket_ranges",
    "rol103_percentage_that_never_matches",
    "rol104_share_skewed_by_earlier_percentage",
    "rol105_salt_seed_collision",
    "rol106_empty_schedule",
    "rol107_steps_out_of_order",
    "rol108_backwards_ramp",
    "rol109_zero_percentage",
    "rol110_guard_missing",
    "rol111_shrinking_strategy",
    "rol112_contradictory_record",
    "sec101_secret_in_flags",
    "sup101_unused_suppression",
    "sup102_suppression_without_reason",
    "sup103_suppression_of_essential_rule",
    "sup104_unreadable_suppression",
    "tgt101_unreachable_rule",
    "tgt102_negated_operator_on_optional_attribute",
    "tgt103_unit_listed_twice",
    "tgt104_segment_without_members",
    "tgt105_contradictory_conditions",
    "tgt106_negated_list",
    "typ101_variant_value_of_wrong_type",
    "typ102_operator_unfit_for_attribute_type",
    "typ103_impossible_enum_value",
    "typ104_value_schema_violation",
    "typ105_bad_value_schema",
    "typ106_bad_pattern",
    "typ107_bad_version",
    "typ108_bad_instant",
    "typ109_bad_network",
    "typ110_constant_of_wrong_type",
    "typ111_meaningless_ignore_case",
    "typ112_unit_without_buckets",
)
"""Modules of `flagctl.lint.rules` in the order of their codes; a list, because looking into the folder costs more."""

SOURCE_PREFIXES: Final = ("SYN", "SCH")
"""Codes of `flagctl.source`: they say that a file could not be read, so they can't be deselected."""

ESSENTIAL: Final = frozenset(
    {
        *("REF100", "REF101", "REF102", "REF103", "REF104", "REF107", "REF201", "REF202"),
        *("NAM102", "NAM103", "NAM104", "TYP101", "TYP106", "TYP107", "TYP108", "TYP109", "TGT103"),
        *("BRK101", "ROL101", "ROL102", "ROL106", "ROL107", "ROL108", "EXP101", "EXP102", "EXP108"),
    }
)
"""Codes that stand for flags that have no meaning. The compiler relies on their absence: they can't be ignored."""

LOCAL: Final = frozenset(
    {
        *("EXP102", "EXP108", "EXP109", "EXP112", "NAM102", "NAM103", "NAM104"),
        *("REF101", "REF102", "REF103", "REF104", "REF105", "REF106", "REF107"),
        *("ROL101", "ROL102", "ROL106", "ROL107", "ROL108", "TGT103", "TYP101", "TYP102", "TYP103", "TYP104"),
        *("TYP105", "TYP106", "TYP107", "TYP108", "TYP109", "TYP110", "TYP111", "TYP112"),
    }
)
"""Codes whose findings stand whatever else is wrong in the file: they look at one part of it and at what it names."""


class RuleModule(Protocol):
    """What a module of `flagctl.lint.rules` holds."""

    INFO: RuleInfo

    def check(self, context: LintContext) -> Iterator[Finding]:
        """Yield everything this rule finds."""


@cache
def load_rules() -> Mapping[str, RuleModule]:
    """Return the lint rules by code, in the order of codes."""
    modules: list[RuleModule] = [import_module(f"flagctl.lint.rules.{name}") for name in RULE_MODULES]
    return {module.INFO.code: module for module in modules}


@cache
def all_rules() -> Mapping[str, RuleInfo]:
    """Return the documentation of every code there is, those of `flagctl.source` included, by code and in their order."""
    infos = [*SOURCE_RULES, *(module.INFO for module in load_rules().values())]
    return {info.code: info for info in sorted(infos, key=lambda info: info.code)}


def matching_codes(selector: str) -> frozenset[str]:
    """Return the codes that a code, the beginning of codes, or a rule's name stands for; empty if there are none.

    >>> sorted(matching_codes("flag-cycle"))
    ['REF201']
    """
    upper = selector.upper()
    return frozenset(
        code for code, info in all_rules().items() if (upper and code.startswith(upper)) or info.name == selector
    )
