"""Lines of the log."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from flagctl.server.web.logs import LOGGERS, JsonFormatter, TextFormatter, configure_logs

FIELDS = {"id": "1", "method": "POST", "path": "/a\nb", "status": 200, "ms": 1.5, "bytes": 3, "caller": "shop"}


def record(level: int = logging.INFO, name: str = "flagctl.access", **more) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, "request %s", ("x",), more.pop("exc_info", None))
    vars(made).update(more)
    return made


def test_a_line_of_json_has_everything():
    line = JsonFormatter().format(record(fields=FIELDS))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found.pop("pid") > 0
    assert found == {"level": "info", "logger": "flagctl.access", "message": "request x", **FIELDS}


def test_a_line_of_text_is_one_line_whatever_was_asked_for():
    line = TextFormatter().format(record(fields=FIELDS))
    assert line.endswith("POST /a\\nb 200 1.5 ms")
    assert TextFormatter().format(record(logging.ERROR, "flagctl.server")).endswith("error: request x")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_traceback_is_shown(formatter):
    try:
        raise ValueError("why")  # noqa: TRY301 - it is only to have a traceback
    except ValueError:
        line = formatter.format(record(name="flagctl.server", exc_info=sys.exc_info()))
    assert "ValueError: why" in line


def test_a_closed_stream_ends_nothing(monkeypatch):
    loggers = [logging.getLogger(name) for name in (*LOGGERS, "flagctl.access")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    try:
        configure_logs("json", access=False)
        logging.getLogger("flagctl.server").info("one")
        logging.getLogger("flagctl.access").info("no line")
        logging.getLogger("uvicorn.error").info("no line either")
        assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["one"]
        stream.close()
        logging.getLogger("flagctl.server").info("two")
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
