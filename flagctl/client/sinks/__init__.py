"""Where events go. Each sink is a module of its own, imported when it is used: `flagctl.client.sinks.jsonl.JsonlSink`."""

from flagctl.client.sinks.protocol import Sink

__all__ = ["Sink"]
