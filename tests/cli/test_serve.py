"""What `flagctl serve` says about its options before it serves anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from flagctl.server.web.logs import LOGGERS


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Put the loggers back, which the command sends to stderr."""
    loggers = [logging.getLogger(name) for name in (*LOGGERS, "flagctl.access")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--env", "nowhere"), "there is no environment 'nowhere'"),
        (("--env", "production", "--trust", "x.json"), "--trust goes with --remote"),
        (("--env", "production", "--cache-dir", "x"), "--cache-dir goes with --remote"),
        (("--env", "production", "--remote", "file:///nowhere"), "--trust trust.json"),
        (("--env", "production", "--remote", "file:///nowhere", "--trust", "no.json"), "cannot be read"),
        (("--env", "production", "--host", "0.0.0.0"), "there are no tokens"),  # noqa: S104 - refused
        (("--env", "production", "--token-file", "none"), "the token file none cannot be read"),
        (("--env", "production", "--log-format", "xml"), "is no form of a log"),
        (("--env", "production", "--cors-origin", "shop.example"), "is no address"),
        (("--env", "production", "--public-url", "ftp://x"), "is no address"),
        (("--env", "production", "--host", "no.such.name.invalid", "--allow-anonymous"), "cannot listen on"),
        (("--env", "production", "--workers", "0"), "0 is not in the range"),
        ((), "missing option '--env'"),
    ],
)
def test_a_wrong_option_is_a_usage_error(cli, example, words, message):
    result = cli("serve", *words, exit_code=2)
    assert message in result.stderr


def test_no_option_takes_a_token(cli):
    help_text = cli("serve", "--help").stdout
    assert "--token-file" in help_text
    assert "--token " not in help_text
