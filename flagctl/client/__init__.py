"""What an app embeds: a client that keeps its flags up to date in the background."""

from flagctl.client.client import Client
from flagctl.client.status import ClientStatus
from flagctl.client.telemetry.options import Telemetry

__all__ = ["Client", "ClientStatus", "Telemetry"]
