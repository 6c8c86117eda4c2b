"""Commit messages that tell what an edit means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flagctl.ops.diff import DiffResult
    from flagctl.review.changes import Change

_SUBJECT: Final = 72
_MOST_LINES: Final = 60


def commit_message(review: DiffResult | None, title: str) -> str:
    """Return a message: a subject in at most 72 characters where that is possible, and a body if it can't say all.

    Args:
        review: What the edit means; None if that is not known.
        title: The subject of an edit without a meaning, such as one of comments.
    """
    changes = review.diff.changes if review is not None else ()
    if review is None or not changes:
        return title or "Edit flag files"
    every = review.environments
    lines = [_line(change, every) for change in changes]
    if len(lines) == 1 and len(lines[0]) <= _SUBJECT:
        return lines[0]
    names = list(dict.fromkeys(_name(change) for change in changes))
    if len(names) == 1:
        texts = [_text(change, every) for change in changes]
        joined = f"{names[0]}: {'; '.join(texts)}"
        if len(joined) <= _SUBJECT:
            return joined
        subject = f"{names[0]}: {len(texts)} changes" if len(texts) > 1 else f"{names[0]}: {_cut(texts[0], names[0])}"
        body = texts
    else:
        subject = _several(names, title)
        body = lines
    if len(body) > _MOST_LINES:
        body = [*body[:_MOST_LINES], f"... and {len(body) - _MOST_LINES} more"]
    return subject + "\n\n" + "\n".join(f"- {line}" for line in body)


def _several(names: list[str], title: str) -> str:
    if title and len(title) <= _SUBJECT:
        return title
    listed = f"Change {', '.join(names)}"
    return listed if len(listed) <= _SUBJECT else f"Change {names[0]} and {len(names) - 1} more"


def _cut(text: str, name: str) -> str:
    room = max(_SUBJECT - len(name) - 2, 20)
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _name(change: Change) -> str:
    return change.key if change.kind in {"flag", "config"} else f"{change.kind} {change.key}"


def _line(change: Change, every: tuple[str, ...]) -> str:
    return f"{_name(change)}: {_text(change, every)}"


def _text(change: Change, every: tuple[str, ...]) -> str:
    where = change.environments
    text = " ".join(change.message.split())
    return text if not where or len(where) == len(every) else f"{text} [{', '.join(where)}]"
