"""Feature flags as code.

Applications use :class:`Client` (kept up to date in the background) or :func:`load` (one fixed bundle)::

    import flagctl

    client = flagctl.Client("s3://acme-flags-prod/flags", environment="production", trust="trust.json")
    if client.is_enabled("new-checkout-flow", {"targeting_key": "user-1", "country": "DE"}):
        ...

Importing this package costs next to nothing: each public name is imported on its first use, and the runtime names
never import anything of the author side (YAML, git, S3, terminal).
"""

from typing import TYPE_CHECKING

from flagctl.lazy_names import importer

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flagctl.client import Client
    from flagctl.client.openfeature import FlagProvider
    from flagctl.evaluator import EvaluationDetails, FlagSet, Variant, bucket, load
    from flagctl.ops.repository import FlagRepository

__all__ = [
    "Client",
    "EvaluationDetails",
    "FlagProvider",
    "FlagRepository",
    "FlagSet",
    "Variant",
    "__version__",
    "bucket",
    "load",
]

__getattr__ = importer(
    __name__,
    {
        "Client": ".client",
        "EvaluationDetails": ".evaluator",
        "FlagProvider": ".client.openfeature",
        "FlagRepository": ".ops.repository",
        "FlagSet": ".evaluator",
        "Variant": ".evaluator",
        "bucket": ".evaluator",
        "load": ".evaluator",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
