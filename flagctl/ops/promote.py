"""`flagctl promote`: what a flag does in one environment, done in another one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.model.flag import OVERRIDABLE
from flagctl.source.editing import Delete, Set, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.ops.edit import Draft

_NOTHING = object()


def promote(draft: Draft, keys: Sequence[str], source: str, target: str, *, with_needed: bool = False) -> None:
    """Let flags do in the environment `target` what they do in `source`, with as little text as possible.

    What `source` shares with all environments, `target` shares again; what is `source`'s own is copied. Segments and experiments are
    shared by all environments anyway. Flags that these need are looked at: whether they can serve in `target` what is needed.

    Args:
        draft: Where to.
        keys: Of the flags.
        source: The environment to copy from.
        target: The environment to copy to.
        with_needed: Promote the flags, too, that these need.

    Raises:
        UsageError: If both environments are the same, or one does not exist.
        NothingMatchedError: If there is no such flag.
    """
    draft.check_environment(source)
    draft.check_environment(target)
    if source == target:
        raise UsageError("these are the same environment", hint="name two different ones")
    waiting, done = list(keys), set[str]()
    while waiting:
        key = waiting.pop(0)
        if key in done:
            continue
        done.add(key)
        path = draft.find(key)
        _copy(draft, path, source, target)
        if with_needed:
            waiting += [item["flag"] for item in _needs(draft.data(path), target)]
    for key in keys:
        _look_at_needed(draft, key, source, target, done)
    draft.titles.append(f"Promote {', '.join(keys)} from {source} to {target}")


def _copy(draft: Draft, path: str, source: str, target: str) -> None:
    data = draft.data(path)
    parts = data.get("environments") or {}
    own, there = parts.get(source) or {}, parts.get(target) or {}
    for name in OVERRIDABLE:
        wanted = own.get(name, data.get(name, _NOTHING))
        present = there.get(name, data.get(name, _NOTHING))
        if wanted is present or (wanted is not _NOTHING and present is not _NOTHING and same(wanted, present)):
            continue
        route = ("environments", target, name)
        if name not in own or (name in data and same(wanted, data[name])):
            draft.edit(path, Delete(route))
        else:
            draft.edit(path, Set(route, copy.deepcopy(wanted)))
    if draft.value(path, ("environments", target), _NOTHING) == {}:
        last = len(draft.value(path, ("environments",))) == 1
        draft.edit(path, Delete(("environments",) if last else ("environments", target)))


def _needs(data: dict[str, Any], environment: str) -> list[dict[str, Any]]:
    part = (data.get("environments") or {}).get(environment) or {}
    found = part.get("prerequisites", data.get("prerequisites")) or []
    return [item for item in found if isinstance(item, dict) and isinstance(item.get("flag"), str)]


def _look_at_needed(draft: Draft, key: str, source: str, target: str, promoted: set[str]) -> None:
    from flagctl.ops.compare import served
    from flagctl.ops.loading import readable

    needed = _needs(draft.data(draft.find(key)), target)
    if not needed:
        return
    only = {draft.find(item["flag"]) for item in needed}
    files = {path: content for path in draft.paths() if (content := draft.content(path)) is not None}
    repository = readable(draft.workspace.load(files, only))
    for item in needed:
        flag, wanted = item["flag"], set(item.get("variants") or ())
        can, could = served(repository, flag, target), served(repository, flag, source)
        if wanted & can:
            continue
        told = ", ".join(sorted(str(variant or "the caller's default") for variant in can))
        advice = "" if flag in promoted or not wanted & could else "; --with-needed promotes it, too"
        draft.note(
            f"{key} needs {flag} to serve {' or '.join(sorted(wanted))}, but in {target} it serves {told}{advice}"
        )
