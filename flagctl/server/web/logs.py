"""Logs of a server: one JSON object a line for machines, or a short line for a person at a terminal."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

LOGGERS: Final = ("flagctl", "uvicorn")


class JsonFormatter(logging.Formatter):
    """One JSON object for each record: time, level, logger, message, and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=True, default=str)


class TextFormatter(logging.Formatter):
    """Time, level if it matters, message and fields on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        fields = getattr(record, "fields", None)
        if record.name == "flagctl.access" and fields:
            text = f"{fields['method']} {json.dumps(fields['path'])[1:-1]} {fields['status']} {fields['ms']:g} ms"
        else:
            text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return f"{time} {level}{text}"


class _Stderr(logging.Handler):
    """Writes to whatever is stderr at the moment: it may be replaced, or closed, during the life of a process."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; a log must not end a server
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)


def configure_logs(form: str, *, access: bool, level: int = logging.INFO) -> None:
    """Send the logs of flagctl and uvicorn to stderr.

    Args:
        form: ``json``, ``text``, or ``auto``: text on a terminal.
        access: Whether every request gets a line.
        level: Least level that is shown.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = _Stderr()
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)
    # uvicorn tells what every server does at every start; trouble is enough.
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
    logging.getLogger("flagctl.access").setLevel(logging.INFO if access else logging.CRITICAL)
