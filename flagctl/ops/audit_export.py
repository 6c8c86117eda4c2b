"""Audit entries to other systems: JSON lines, a webhook, OpenTelemetry logs."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import RemoteError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        to: ``https://…`` (``http://`` on this machine only), or ``otel:`` for the process's OpenTelemetry logger.
        pause: Waits between attempts; seconds.

    Returns:
        How many were sent.

    Raises:
        UsageError: If the location is of another kind.
        RemoteError: If the webhook does not take them.
    """
    if to.startswith("otel:"):
        _to_opentelemetry(entries)
    elif to.startswith(("https://", "http://")):
        _check_plain(to)
        ordered = list(reversed(entries))
        for start in range(0, len(ordered), _BATCH):
            _post(to, ordered[start : start + _BATCH], pause)
    else:
        raise UsageError(f"audit entries go to https://… or otel:, not to {to}")
    return len(entries)


def _check_plain(to: str) -> None:
    from urllib.parse import urlsplit

    if to.startswith("http://") and urlsplit(to).hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise UsageError("an audit log goes over https", hint=f"https{to.removeprefix('http')}")


def _post(url: str, entries: Sequence[AuditEntry], pause: Callable[[float], None]) -> None:
    """Send a batch; its id is that of its content, so that a receiver can tell a repeat."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    body = "".join(json.dumps(one.to_dict(), ensure_ascii=False) + "\n" for one in entries).encode()
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": hashlib.sha256(body).hexdigest()}
    secret = os.environ.get(SECRET)
    if secret:
        headers[SIGNATURE] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            pause(2.0**attempt / 4)
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked by `export`
        try:
            with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - the same
                answer.read(1024)
                return
        except HTTPError as error:
            error.close()
            problem = f"it answered {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (URLError, OSError) as error:
            problem = str(getattr(error, "reason", error))
    raise RemoteError(f"the audit service at {url} did not take the entries: {problem}")


def _to_opentelemetry(entries: Sequence[AuditEntry]) -> None:
    from importlib.util import find_spec

    if find_spec("opentelemetry") is None:
        raise UsageError("this needs OpenTelemetry", hint='pip install "flagctl[telemetry]"')
    from opentelemetry import _logs
    from opentelemetry._logs import LogRecord, SeverityNumber

    logger = _logs.get_logger("flagctl")
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
    flush: Any = getattr(_logs.get_logger_provider(), "force_flush", None)
    if flush is not None:
        flush()


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
