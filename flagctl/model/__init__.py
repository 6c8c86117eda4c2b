"""The authoring model: what a flag repository says, as immutable data without I/O.

Everything here was checked for shape by `flagctl.source` (JSON Schema and conversions); relations between parts (does
this variant exist, is there a cycle) are checked by `flagctl.lint`. Percentages and weights are integers in
thousandths of a percent (100 % = 100 000), instants are integers in milliseconds since 1970-01-01T00:00:00Z.
"""

from flagctl.model.conditions import AllOf, AnyOf, AttributeCondition, Condition, Not, SegmentCondition, walk_conditions
from flagctl.model.config import (
    Attribute,
    AttributeType,
    ContextSchema,
    Environment,
    RemoteConfig,
    RepositoryConfig,
)
from flagctl.model.experiment import Amendment, Decision, Experiment, ExperimentStatus, Layer, Metric, RatioSide
from flagctl.model.flag import (
    OVERRIDABLE,
    TARGETING_KEY,
    Breaker,
    EnvironmentOverride,
    Flag,
    FlagState,
    FlagType,
    Lifecycle,
    Prerequisite,
    Rule,
    Target,
    Variant,
)
from flagctl.model.json_value import UNSET, JsonValue, Scalar, Unset
from flagctl.model.policy import ApprovalPolicy, Breaking, EnvironmentPolicy, FreezeWindow, Owner, Policy
from flagctl.model.registration import agreed_registration, registered, registration_of
from flagctl.model.repository import Repository
from flagctl.model.rollout import (
    FULL,
    FixedPercentage,
    LinearPercentage,
    Percentage,
    Rollout,
    RolloutArm,
    Schedule,
    Step,
    SteppedPercentage,
)
from flagctl.model.segment import Segment
from flagctl.model.strategy import BlueGreen, Strategy

__all__ = [
    "FULL",
    "OVERRIDABLE",
    "TARGETING_KEY",
    "UNSET",
    "AllOf",
    "Amendment",
    "AnyOf",
    "ApprovalPolicy",
    "Attribute",
    "AttributeCondition",
    "AttributeType",
    "BlueGreen",
    "Breaker",
    "Breaking",
    "Condition",
    "ContextSchema",
    "Decision",
    "Environment",
    "EnvironmentOverride",
    "EnvironmentPolicy",
    "Experiment",
    "ExperimentStatus",
    "FixedPercentage",
    "Flag",
    "FlagState",
    "FlagType",
    "FreezeWindow",
    "JsonValue",
    "Layer",
    "Lifecycle",
    "LinearPercentage",
    "Metric",
    "Not",
    "Owner",
    "Percentage",
    "Policy",
    "Prerequisite",
    "RatioSide",
    "RemoteConfig",
    "Repository",
    "RepositoryConfig",
    "Rollout",
    "RolloutArm",
    "Rule",
    "Scalar",
    "Schedule",
    "Segment",
    "SegmentCondition",
    "Step",
    "SteppedPercentage",
    "Strategy",
    "Target",
    "Unset",
    "Variant",
    "agreed_registration",
    "registered",
    "registration_of",
    "walk_conditions",
]
