"""HTTP servers: flag evaluation for other languages, and the admin web UI."""

from importlib.util import find_spec
from typing import Final

MISSING: Final = ", ".join(name for name in ("starlette", "uvicorn", "prometheus_client") if find_spec(name) is None)
"""Packages of the extra ``server`` that are not installed."""
