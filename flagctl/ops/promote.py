"""`flagctl promote`: what a flag does in one environment, done in another one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.model.flag import OVERRIDABLE
from flagctl.ops.rollout_move import record_route
from flagctl.source.builder.strategies import DEFAULT_SHARES
from flagctl.source.editing import Delete, Set, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.diagnostics import Route
    from flagctl.ops.edit import Draft

_NOTHING = object()
_RECORD: Final = ("holds", "aborted")
"""What a rollout's block records besides the steps' `released`."""


def promote(draft: Draft, keys: Sequence[str], source: str, target: str, *, with_needed: bool = False) -> None:
    """Let flags do in the environment `target` what they do in `source`, with as little text as possible.

    What `source` shares with all environments, `target` shares again; what is `source`'s own is copied. Of a rollout only the plan is
    copied: which steps were let go, holds and aborts happened in `source`, and `target` keeps its own record. Segments and experiments
    are shared by all environments anyway. Flags that these need are looked at: whether they can serve in `target` what is needed.

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
        if wanted is present:
            continue
        if name == "rules" and isinstance(wanted, list):
            wanted = [_with_record_of(rule, present if isinstance(present, list) else ()) for rule in wanted]
        if wanted is not _NOTHING and present is not _NOTHING and same(wanted, present):
            continue
        route = ("environments", target, name)
        if wanted is _NOTHING or (name in data and same(wanted, data[name])):
            draft.edit(path, Delete(route))
        else:
            draft.edit(path, Set(route, copy.deepcopy(wanted)))
    if draft.value(path, ("environments", target), _NOTHING) == {}:
        last = len(draft.value(path, ("environments",))) == 1
        draft.edit(path, Delete(("environments",) if last else ("environments", target)))


def _with_record_of(rule: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a rule whose rollout has the record of the rule of the same id among others, if that grows in the same way, or none."""
    route = record_route(rule)
    result = copy.deepcopy(rule)
    block = _inside(result, route)
    if block is None:
        return rule
    other = next((one for one in others if one.get("id") == rule.get("id")), {})
    record = _inside(other, route) or {}
    planned = set(block)
    for name in _RECORD:
        if name in record:
            block[name] = record[name]
        else:
            block.pop(name, None)
    _release_as(block, record, DEFAULT_SHARES.get(str(route[-1]), ()))
    if not block.keys() <= planned:  # the target's order of keys, so that nothing differs when nothing is new
        ordered = {name: block[name] for name in (*record, *block) if name in block}
        block.clear()
        block.update(ordered)
    return result


def _inside(rule: dict[str, Any], route: Route) -> dict[str, Any] | None:
    found: Any = rule
    for name in route:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _release_as(block: dict[str, Any], record: dict[str, Any], default: Sequence[float]) -> None:
    """Let those steps of a plan be released of which the record says that their share was; plans may have changed between."""
    released = {
        step.get("percent"): step["released"]
        for step in record.get("steps") or ()
        if isinstance(step, dict) and "released" in step
    }
    if released:
        block.setdefault("steps", list(default))
    for index, step in enumerate(block.get("steps") or ()):
        share = step.get("percent") if isinstance(step, dict) else step
        if share in released:
            block["steps"][index] = {
                **(step if isinstance(step, dict) else {"percent": step}),
                "released": released[share],
            }
        elif isinstance(step, dict) and "released" in step:
            del step["released"]
            if default and len(step) == 1:
                block["steps"][index] = share


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
