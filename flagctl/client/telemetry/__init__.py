"""What leaves a client: counts, exposures, an evaluation log, conversions and measurements, on threads of their own.

::

    evaluation ──adds 1──▶ tallies (book) ───────┐ every window
               ──once per unit──▶ queue ─────────┤
    track_conversion, measure ──▶ queue ─────────┴─▶ hub's thread: events ──▶ one queue and thread for each sink (channel)

An evaluation writes to memory and nothing else: it takes no lock and waits for nobody. Every queue is bounded; what
does not fit is dropped and counted, and the client's status says so.
"""

from flagctl.client.telemetry.options import Telemetry

__all__ = ["Telemetry"]
