"""A shop in a browser's place."""

from tests.simulators.ui_fixtures import (
    guest,
    looked_at,
    nobody_in_particular,
    server,
    shared_server,
    shop,
    shop_original,
    visitor,
)

__all__ = [
    "guest",
    "looked_at",
    "nobody_in_particular",
    "server",
    "shared_server",
    "shop",
    "shop_original",
    "visitor",
]
