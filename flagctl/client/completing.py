"""Contexts completed by attribute providers, on the way into an evaluation.

Flags that read none of the providers' attributes get the context as it was passed, and are evaluated as fast as ever.
For others it is completed at once where everything is remembered, else by a mapping that looks up what is read. Either way
the answer is that of ``{**attributes, **context}``: a context's own value always counts, even None, and of several
providers that know an attribute the first.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.client.attribute_source import NOTHING, AttributeSource
from flagctl.client.attributes import Attributes
from flagctl.errors import UsageError
from flagctl.evaluator.buckets import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.client.attributes import AttributeProvider
    from flagctl.client.client import Client
    from flagctl.client.dress import Evaluating
    from flagctl.evaluator.details import EvaluationDetails, Variant
    from flagctl.evaluator.document import Document

_TARGETING_KEY: Final = "targeting_key"
_REFERENCES: Final = (b'"segment":', b'"prerequisites":', b"\\")
"""What a line has that may lead to other entries, or spell a name in another way."""


class Completed(Mapping[str, Any]):
    """A context, and behind it the providers, asked when something that it lacks is read.

    Iterating gives what is there without asking anybody.
    """

    __slots__ = ("_by_name", "_found", "_own", "_unit")

    def __init__(self, own: Mapping[str, Any], unit: str, by_name: Mapping[str, tuple[AttributeSource, ...]]) -> None:
        self._own = own
        self._unit = unit
        self._by_name = by_name
        self._found: dict[int, Mapping[str, Any]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._own or self._holder(key) is not None

    def __getitem__(self, key: str) -> Any:
        if key in self._own:
            return self._own[key]
        holder = self._holder(key)
        if holder is None:
            raise KeyError(key)
        return holder[key]

    def __iter__(self) -> Iterator[str]:
        own = list(self._own)
        return iter([*own, *dict.fromkeys(name for found in self._found.values() for name in found if name not in own)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _holder(self, key: object) -> Mapping[str, Any] | None:
        """Return the attributes of the first provider that knows one of this name."""
        for source in self._by_name.get(key, ()):  # type: ignore[call-overload]
            found = self._found.get(id(source))
            if found is None:
                found = self._found[id(source)] = source.attributes(self._unit)
            if key in found:
                return found
        return None


@final
class CompletedFlags:
    """Served flags that complete their contexts first.

    Args:
        served: The flags.
        document: Their bundle.
        completing: The providers.
    """

    __slots__ = ("_completing", "_document", "_needs", "_served")

    def __init__(self, served: Evaluating, document: Document, completing: Completing) -> None:
        self._served = served
        self._document = document
        self._completing = completing
        self._needs: dict[str, bool] = {}

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None, /) -> bool:
        """Answer as `FlagSet.is_enabled`."""
        return self._served.is_enabled(key, self._for(key, context))

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any, /) -> Any:
        """Answer as `FlagSet.get_value`."""
        return self._served.get_value(key, self._for(key, context), default)

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None, /) -> Variant | None:
        """Answer as `FlagSet.get_variant`."""
        return self._served.get_variant(experiment_key, self._completing.complete(context))

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, /) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate`."""
        return self._served.evaluate(key, self._for(key, context), default)

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None, /
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate_typed`."""
        return self._served.evaluate_typed(key, self._for(key, context), default, kind)

    def evaluate_all(self, context: Mapping[str, Any] | None = None, /) -> dict[str, Any]:
        """Answer as `FlagSet.evaluate_all`."""
        return self._served.evaluate_all(self._completing.complete(context))

    def _for(self, key: str, context: Any) -> Any:
        try:
            needs = self._needs[key]
        except (KeyError, TypeError):
            needs = self._find(key)
        return self._completing.complete(context) if needs else context

    def _find(self, key: object) -> bool:
        """Return whether a flag may read an attribute of a provider: whether its line has one's name, or leads elsewhere."""
        if type(key) is not str or not self._document.has("flags", key):
            return False
        line = self._document.raw_line("flags", key)
        needs = self._needs[key] = any(word in line for word in (*self._completing.needles, *_REFERENCES))
        return needs


@final
class Completing:
    """The attribute providers of one client.

    Args:
        sources: The providers at work, the first one counts most.
    """

    def __init__(self, sources: Sequence[AttributeSource]) -> None:
        self._sources = tuple(sources)
        self._names = frozenset().union(*(source.names for source in sources))
        self._by_name = {name: tuple(source for source in sources if name in source.names) for name in self._names}
        self.needles = tuple(json.dumps(name, ensure_ascii=False).encode("utf-8", "replace") for name in self._names)

    def complete(self, context: Any) -> Any:
        """Return a context with the providers' attributes; the context itself where there is nothing to add."""
        try:
            unit = unit_of(context[_TARGETING_KEY]) if _TARGETING_KEY in context else None
        except Exception:  # noqa: BLE001 - no mapping, or one whose code raises: the evaluation says so
            return context
        if unit is None or not isinstance(context, Mapping):
            return context
        if type(context) is dict:
            if self._names <= context.keys():
                return context
            known: list[Mapping[str, Any]] = []
            for source in self._sources:
                found = source.remembered(unit)
                if found is None:
                    return Completed(context, unit, self._by_name)
                known.append(found)
            return _merged(known, context)
        return Completed(context, unit, self._by_name)

    def look_up(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return a context with everything that the providers know, after waiting for them."""
        own = dict(context or {})
        unit = unit_of(own.get(_TARGETING_KEY))
        if unit is None:
            return own
        return _merged([source.attributes(unit) for source in self._missing(own)], own)

    async def look_up_async(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """As `look_up`, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - loaded already where this is called

        own = dict(context or {})
        unit = unit_of(own.get(_TARGETING_KEY))
        sources = self._missing(own) if unit is not None else []
        if unit is None or all(source.remembered(unit) is not None for source in sources):
            return self.look_up(own)
        waiting = (asyncio.to_thread(source.attributes, unit) for source in sources)
        return _merged(await asyncio.gather(*waiting), own)

    def status(self) -> tuple[Mapping[str, Any], ...]:
        """Return what a client's status says about its providers, as JSON values."""
        return tuple(source.status() for source in self._sources)

    def close(self) -> None:
        """Let the providers' threads end."""
        for source in self._sources:
            source.close()

    def _missing(self, own: Mapping[str, Any]) -> list[AttributeSource]:
        return [source for source in self._sources if not source.names <= own.keys()]


def _merged(known: Sequence[Mapping[str, Any]], own: dict[str, Any]) -> dict[str, Any]:
    if len(known) == 1:
        return {**known[0], **own}
    merged: dict[str, Any] = {}
    for found in reversed(known):
        if found is not NOTHING:
            merged.update(found)
    return {**merged, **own}


def attach(
    client: Client, providers: Sequence[AttributeProvider | Attributes], uniform: Callable[[], float]
) -> Completing:
    """Give a client its attribute providers.

    Raises:
        UsageError: Something is no provider, or has settings without meaning.
    """
    settings = [item if isinstance(item, Attributes) else Attributes(item) for item in providers]
    for each in settings:
        each.check()
    if len(settings) > 16:
        raise UsageError("a client has at most 16 attribute providers")
    completing = Completing([AttributeSource(each, client._monotonic, uniform) for each in settings])  # noqa: SLF001
    reference = weakref.ref(client)

    def dressed(served: Evaluating) -> Evaluating:
        owner = reference()
        latest = None if owner is None else owner._latest  # noqa: SLF001
        return served if latest is None else CompletedFlags(served, latest.document, completing)

    client._parts = client._parts._replace(attributes=dressed)  # noqa: SLF001
    weakref.finalize(client, completing.close).atexit = False
    return completing
