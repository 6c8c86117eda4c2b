"""What a browser sends: forms, bounded in size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES: Final = 4 * 1024 * 1024
_MOST_FIELDS: Final = 10_000

Form = dict[str, list[str]]


class TooLongError(UsageError):
    """A form that nobody fills in by hand."""


async def read_form(request: Request) -> Form:
    """Return a form's fields; line ends are single newlines, as files have them.

    Raises:
        TooLongError: If it is longer than any file of a flag should be.
        UsageError: If it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    chunks: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > MOST_BYTES:
            raise TooLongError("the form is too long")
        chunks.append(chunk)
    data = b"".join(chunks)
    if kind != "application/x-www-form-urlencoded":
        if not data:
            return {}
        raise UsageError("send a form")
    try:
        fields = parse_qs(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise UsageError("the form can't be read") from error
    return {name: [value.replace("\r\n", "\n") for value in values] for name, values in fields.items()}
