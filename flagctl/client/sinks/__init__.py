"""Where events go. Each sink is a module of its own, which is imported when its name is first used."""

from typing import TYPE_CHECKING

from flagctl.client.sinks.protocol import Sink
from flagctl.lazy_names import importer

if TYPE_CHECKING:
    from flagctl.client.sinks.blobs import Sizes
    from flagctl.client.sinks.jsonl import JsonlSink
    from flagctl.client.sinks.logs import LoggingSink
    from flagctl.client.sinks.memory import MemorySink
    from flagctl.client.sinks.otel import OpenTelemetrySink
    from flagctl.client.sinks.parquet import ParquetSink
    from flagctl.client.sinks.prometheus import PrometheusSink
    from flagctl.client.sinks.redis import RedisStreamSink
    from flagctl.client.sinks.s3 import S3Sink

__all__ = [
    "JsonlSink",
    "LoggingSink",
    "MemorySink",
    "OpenTelemetrySink",
    "ParquetSink",
    "PrometheusSink",
    "RedisStreamSink",
    "S3Sink",
    "Sink",
    "Sizes",
]

__getattr__ = importer(
    __name__,
    {
        "JsonlSink": ".jsonl",
        "LoggingSink": ".logs",
        "MemorySink": ".memory",
        "OpenTelemetrySink": ".otel",
        "ParquetSink": ".parquet",
        "PrometheusSink": ".prometheus",
        "RedisStreamSink": ".redis",
        "S3Sink": ".s3",
        "Sizes": ".blobs",
    },
)
