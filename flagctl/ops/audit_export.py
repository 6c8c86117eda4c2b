"""Audit entries to other systems: JSON lines, a webhook, OpenTelemetry logs."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from flagctl.errors import RemoteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flagctl.ops.audit import AuditEntry

SECRET: Final = "FLAGCTL_WEBHOOK_SECRET"  # noqa: S105 - the name of an environment variable
SIGNATURE: Final = "X-Flagctl-Signature"
_BATCH: Final = 500
_ATTEMPTS: Final = 4
_TIMEOUT: Final = 10.0


def lines_of(entries: Sequence[AuditEntry]) -> str:
    """Return entries as JSON lines, oldest first."""
    return "".join(json.dumps(one.to_dict(), ensure_ascii=False) + "\n" for one in reversed(entries))


def export(
    entries: Sequence[AuditEntry],
    to: str,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Send entries, oldest first.

    Args:
        entries: Newest first, as `flagctl.ops.audit.audit` returns them.
        to: ``https://…`` (``http://`` on this machine only), or ``otel:`` for the process's OpenTelemetry logger; where
            nobody has set one up, for the collector that OpenTelemetry's environment variables name.
        pause: Waits between attempts; seconds.

    Returns:
        How many were sent.

    Raises:
        UsageError: If the location is of another kind, or nobody has said where OpenTelemetry goes.
        RemoteError: If the webhook does not take them.
    """
    check_destination(to)
    if to.startswith("otel:"):
        _to_opentelemetry(entries, pause)
    else:
        for batch in _batches(entries):
            body = lines_of(batch).encode()
            _post(to, body, _signed(body), pause)
    return len(entries)


def check_destination(to: str) -> None:
    """Check where entries shall go, before the work of finding them.

    Raises:
        UsageError: If the location is of another kind, or nobody has said where OpenTelemetry goes.
    """
    if to.startswith("otel:"):
        if _provider() is None:
            _collector()
        return
    parts = urlsplit(to)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise UsageError(f"audit entries go to https://… or otel:, not to {to}")
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise UsageError("an audit log goes over https", hint=f"https{to.removeprefix('http')}")


def _batches(entries: Sequence[AuditEntry]) -> Iterator[Sequence[AuditEntry]]:
    """Yield the oldest entries first; each batch has its newest one first, as all of them together."""
    for end in range(len(entries), 0, -_BATCH):
        yield entries[max(0, end - _BATCH) : end]


def _signed(body: bytes) -> dict[str, str]:
    """Return the headers of a batch; its id is that of its content, so that a receiver can tell a repeat."""
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": hashlib.sha256(body).hexdigest()}
    secret = os.environ.get(SECRET)
    if secret:
        headers[SIGNATURE] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return headers


def _post(url: str, body: bytes, headers: dict[str, str], pause: Callable[[float], None]) -> None:
    """Send a batch, again if it may help."""
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class _Stay(HTTPRedirectHandler):
        """Follows to no other place: urllib would ask there without the entries, and take any answer for theirs."""

        def redirect_request(self, *_: Any) -> None:
            return None

    opener = build_opener(_Stay)
    problem = ""
    moved = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(2.0**attempt / 4)
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked by `export`
        try:
            with opener.open(request, timeout=_TIMEOUT) as answer:
                answer.read(1024)
                return
        except HTTPError as error:
            error.close()
            problem = f"it answered {error.code}"
            moved = error.headers.get("Location") if 300 <= error.code < 400 else None
            if error.code < 500 and error.code != 429:
                break
        except (URLError, OSError) as error:
            problem = str(getattr(error, "reason", error))
    raise RemoteError(
        f"the audit service at {url} did not take the entries: {problem}",
        hint=f"it wants them at {moved}" if moved else None,
    )


def _to_opentelemetry(entries: Sequence[AuditEntry], pause: Callable[[float], None]) -> None:
    provider = _provider()
    if provider is None:
        _to_collector(entries, pause)
        return
    from opentelemetry._logs import LogRecord, SeverityNumber

    logger = provider.get_logger("flagctl")
    for one in reversed(entries):
        logger.emit(
            LogRecord(
                timestamp=one.time_ms * 1_000_000,
                event_name=f"flagctl.audit.{one.action}",
                severity_number=SeverityNumber.INFO,
                body=one.summary,
                attributes={name: value for name, value in _flat(one).items() if value is not None},
            )
        )
    provider.force_flush()


def _provider() -> Any:
    """Return the process's logger provider; None where nobody has set one up, and records would go nowhere."""
    from importlib.util import find_spec

    if find_spec("opentelemetry") is None:
        return None
    from opentelemetry import _logs

    provider = _logs.get_logger_provider()
    return provider if hasattr(provider, "force_flush") else None


def _to_collector(entries: Sequence[AuditEntry], pause: Callable[[float], None]) -> None:
    """Send log records as OTLP over HTTP, in its JSON form: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""
    url = _collector()
    given = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS") or os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    headers = {"Content-Type": "application/json"}
    headers |= {
        name.strip(): unquote(text.strip())
        for name, _, text in (one.partition("=") for one in given.split(","))
        if text
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "flagctl"}}]}
    for batch in _batches(entries):
        logs = {"scope": {"name": "flagctl"}, "logRecords": [_record(one) for one in reversed(batch)]}
        body = {"resourceLogs": [{"resource": resource, "scopeLogs": [logs]}]}
        _post(url, json.dumps(body, ensure_ascii=False).encode(), headers, pause)


def _collector() -> str:
    """Return the address of the collector that OpenTelemetry's environment variables name."""
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") or (f"{base}/v1/logs" if base else "")
    if not url.startswith(("https://", "http://")):
        raise UsageError(
            "nobody has said where OpenTelemetry's logs go",
            hint="OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318, the address of a collector",
        )
    return url


def _record(one: AuditEntry) -> dict[str, Any]:
    attributes = [{"key": name, "value": _any_value(value)} for name, value in _flat(one).items() if value is not None]
    return {
        "timeUnixNano": str(one.time_ms * 1_000_000),
        "severityNumber": 9,
        "severityText": "INFO",
        "eventName": f"flagctl.audit.{one.action}",
        "body": {"stringValue": one.summary},
        "attributes": attributes,
    }


def _any_value(value: Any) -> dict[str, Any]:
    """Return a value as OTLP's JSON has it: whole numbers are text."""
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(one) for one in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _flat(one: AuditEntry) -> dict[str, Any]:
    return {
        "flagctl.actor": one.actor,
        "flagctl.environment": one.environment,
        "flagctl.keys": list(one.keys),
        "flagctl.details": list(one.details),
        "flagctl.approved_by": list(one.approved_by),
        "flagctl.commit": one.commit,
        "flagctl.seq": one.seq,
        "flagctl.bundle.sha256": one.bundle_sha256,
        "flagctl.rebuilt": one.rebuilt,
        "flagctl.overrides": list(one.overrides),
    }
