"""The runtime core: from the bytes of a bundle to answers. Standard library and mmh3 only; evaluation never raises.

Rooms inside, from bytes to answers: `document` (lines, lazy decoding), `structure` (the complete check of a bundle's
shape), `lowering` (one decoded flag into a plan), `closures` and `codegen` (a plan into a function), `flagset` (the
methods applications call). Names are imported on first use, so that authoring tools can take the operator table or
the bucket recipe without the rest.
"""

from typing import TYPE_CHECKING

from flagctl.lazy_names import importer

if TYPE_CHECKING:
    from flagctl.evaluator.buckets import bucket
    from flagctl.evaluator.details import ErrorCode, EvaluationDetails, Reason, Variant
    from flagctl.evaluator.flagset import FlagSet, load

__all__ = ["ErrorCode", "EvaluationDetails", "FlagSet", "Reason", "Variant", "bucket", "load"]

__getattr__ = importer(
    __name__,
    {
        "ErrorCode": ".details",
        "EvaluationDetails": ".details",
        "FlagSet": ".flagset",
        "Reason": ".details",
        "Variant": ".details",
        "bucket": ".buckets",
        "load": ".flagset",
    },
)
