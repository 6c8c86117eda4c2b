"""For the tests of applications: flags as a test wants them, and what the application did with them.

::

    from flagctl.testing import client_from, override

    flags = client_from("path/to/flags", environment="production")

    with override(flags, {"new-checkout-flow": True, "search-ranking": "hybrid"}):
        ...

With pytest, the plugin brings the fixture ``flags``; see ``docs/testing-your-app.md``. Importing this package costs
nothing: each name is imported on its first use.
"""

from typing import TYPE_CHECKING

from flagctl.lazy_names import importer

if TYPE_CHECKING:
    from flagctl.testing.choices import value, variant
    from flagctl.testing.loading import client_from, flags_from
    from flagctl.testing.overrides import override
    from flagctl.testing.recorder import Flags, Recorder

__all__ = ["Flags", "Recorder", "client_from", "flags_from", "override", "value", "variant"]

__getattr__ = importer(
    __name__,
    {
        "Recorder": ".recorder",
        "Flags": ".recorder",
        "client_from": ".loading",
        "flags_from": ".loading",
        "override": ".overrides",
        "value": ".choices",
        "variant": ".choices",
    },
)
