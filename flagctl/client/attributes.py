"""Attribute providers: who knows more about a unit than the application passes along, such as a user service.

::

    client = flagctl.Client(..., attributes=[HttpProvider("https://users.internal/{unit}", {"plan": "string", "seats": "number"})])
    client.is_enabled("new-checkout-flow", {"targeting_key": "user-1"})

A provider is asked only by flags that read one of its attributes, and only if the context does not have it: what an
application passes always counts. What it answered is remembered for a while. A provider that is slow, fails or
answers nonsense means that its attributes are missing, and nothing else; see `flagctl.client.attribute_source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, final, runtime_checkable

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from http.client import HTTPResponse

TYPES: Final = ("string", "number", "boolean", "list", "semver", "datetime", "ip", "json")
"""Types that an attribute of a provider may be declared with; those of `flagctl.yaml`, and ``json`` for anything."""

_LARGEST: Final = 1024 * 1024


@runtime_checkable
class AttributeProvider(Protocol):
    """Knows attributes of units. `lookup` is called on threads of the client's, several at a time."""

    @property
    def names(self) -> frozenset[str]:
        """Attributes it may know: top-level names of a context, never ``targeting_key``."""

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return what is known of a unit, by name; empty if nothing is. May take its time, and may raise."""


class Attributes(NamedTuple):
    """A provider, and how it is asked. Names a provider given without this has: these defaults.

    Attributes:
        provider: The provider.
        ttl: Seconds for which an answer is remembered.
        negative_ttl: The same for an answer with nothing in it; a failure is forgotten after a second.
        timeout: Seconds that an evaluation waits for an answer; 0: never. One that comes later serves later evaluations.
        units: How many units are remembered; the ones used least lately go first.
        threads: How many units are looked up at a time.
        failures: Failures in a row after which the provider is left alone for a while.
    """

    provider: AttributeProvider
    ttl: float = 300.0
    negative_ttl: float = 30.0
    timeout: float = 0.05
    units: int = 10_000
    threads: int = 4
    failures: int = 5

    def check(self) -> None:
        """Refuse settings without meaning.

        Raises:
            UsageError: The provider is none, or a number is out of range.
        """
        if not isinstance(self.provider, AttributeProvider):
            raise UsageError(
                f"{type(self.provider).__name__} is no attribute provider", hint="it needs 'names' and 'lookup(unit)'"
            )
        names: frozenset[object] = frozenset(self.provider.names)
        if not names or not all(isinstance(name, str) and name for name in names):
            raise UsageError("an attribute provider's names are a set of texts that is not empty")
        if "targeting_key" in names:
            raise UsageError("an attribute provider cannot know 'targeting_key': it is what units are looked up by")
        if min(self.ttl, self.negative_ttl, self.timeout) < 0:
            raise UsageError("ttl, negative_ttl and timeout of an attribute provider are seconds from 0 on")
        if min(self.units, self.threads, self.failures) < 1:
            raise UsageError("units, threads and failures of an attribute provider are numbers from 1 on")


class Typed:
    """Attributes with types: what does not fit its type counts as missing.

    Args:
        attributes: Names, or names with one of `TYPES`; a name without one may have any type.

    Raises:
        UsageError: There is no such type.
    """

    def __init__(self, attributes: Iterable[str] | Mapping[str, str]) -> None:
        self.types = dict(attributes) if isinstance(attributes, Mapping) else dict.fromkeys(attributes, "json")
        for name, kind in self.types.items():
            if kind not in TYPES:
                raise UsageError(
                    f"attribute '{name}': there is no type '{kind}'", hint=f"there are: {', '.join(TYPES)}"
                )
        self.names = frozenset(self.types)

    def fitted(self, found: object) -> dict[str, Any]:
        """Return the attributes that fit; text that spells a number or boolean is taken for one where that is the type."""
        if not isinstance(found, Mapping):
            return {}
        fitting = ((name, _fit(found[name], kind)) for name, kind in self.types.items() if name in found)
        return {name: value for name, value in fitting if value is not None}


@final
class StaticProvider(Typed):
    """Knows the attributes of fixed units; for tests and small tables.

    Args:
        units: Attributes by unit.
        attributes: As in `Typed`; without it, all names that occur.
    """

    def __init__(
        self, units: Mapping[str, Mapping[str, Any]], attributes: Iterable[str] | Mapping[str, str] | None = None
    ) -> None:
        super().__init__({name for unit in units.values() for name in unit} if attributes is None else attributes)
        self._units = units

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return what is known of a unit."""
        return self.fitted(self._units.get(unit))


@final
class CallableProvider(Typed):
    """Asks a function.

    Args:
        function: Returns a unit's attributes, or None if there is no such unit.
        attributes: As in `Typed`.
    """

    def __init__(
        self, function: Callable[[str], Mapping[str, Any] | None], attributes: Iterable[str] | Mapping[str, str]
    ) -> None:
        super().__init__(attributes)
        self._function = function

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return what the function says of a unit."""
        return self.fitted(self._function(unit))


@final
class HttpProvider(Typed):
    """Asks a service that answers with one JSON object for each unit; 404 and 410 mean that there is none.

    Args:
        url: Address with ``{unit}`` where the unit goes; it is quoted.
        attributes: As in `Typed`.
        headers: Sent along, such as an authorization.
        timeout: Seconds for connecting, and for each read. Redirects are not followed.

    Raises:
        UsageError: The address is not one of http or https with ``{unit}`` in it.
    """

    def __init__(
        self,
        url: str,
        attributes: Iterable[str] | Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 2.0,
    ) -> None:
        from urllib.parse import urlsplit  # noqa: PLC0415 - loaded by apps with such a provider

        super().__init__(attributes)
        parts = urlsplit(url)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or "{unit}" not in url.partition(parts.netloc)[2]
        ):
            raise UsageError("an attribute provider's address is https://host/path with {unit} in its path or query")
        self._parts = parts
        self._headers = {"accept": "application/json", **(headers or {})}
        self._timeout = timeout

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return what the service says of a unit.

        Raises:
            OSError: It cannot be reached, or says no.
            ValueError: It does not answer with a JSON object of at most 1 MiB.
        """
        import json  # noqa: PLC0415 - as above
        from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415
        from urllib.parse import quote  # noqa: PLC0415

        parts = self._parts
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with closing(kind(parts.hostname or "", parts.port, timeout=self._timeout)) as connection:
            try:
                connection.request("GET", target.replace("{unit}", quote(unit, safe="")), headers=self._headers)
                body = _body(connection.getresponse())
            except HTTPException as error:
                raise OSError(f"the service does not speak HTTP: {type(error).__name__}") from error
        if body is None:
            return {}
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("the service does not answer with a JSON object")  # noqa: TRY004 - it is about content
        return self.fitted(found)


@final
class SqlProvider(Typed):
    """Asks a database, by a connection of its own for each look-up; columns are named like attributes.

    Args:
        connect: Opens a connection of the Python database API, such as ``lambda: sqlite3.connect(path)``.
        query: With one placeholder, for the unit: ``SELECT plan, seats FROM users WHERE id = ?``.
        attributes: As in `Typed`.
    """

    def __init__(self, connect: Callable[[], Any], query: str, attributes: Iterable[str] | Mapping[str, str]) -> None:
        super().__init__(attributes)
        self._connect = connect
        self._query = query

    def lookup(self, unit: str) -> Mapping[str, Any]:
        """Return a unit's row. Whatever the database raises passes through."""
        with closing(self._connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(self._query, (unit,))
            row = cursor.fetchone()
            return {} if row is None else self.fitted(dict(zip((c[0] for c in cursor.description), row, strict=True)))


def _body(answer: HTTPResponse) -> bytes | None:
    if answer.status in {404, 410}:
        return None
    if answer.status != 200:
        raise OSError(f"the service answers {answer.status}")
    body = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise ValueError("the service answers with more than 1 MiB")
    return body


def _fit(value: object, kind: str) -> Any:
    """Return a value of a type, None for one that does not fit."""
    if kind == "json" or value is None:
        return value
    if kind == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value))
    if kind == "number":
        return _number(value)
    if kind == "list":
        return value if isinstance(value, (list, tuple, set, frozenset)) else None
    if kind == "datetime" and not isinstance(value, (str, bool)):
        return value  # epoch seconds or an aware datetime; conditions read both
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if not value.lstrip("-").isdigit() else int(value)
        except ValueError:
            return None
    return value if isinstance(value, (int, float)) and (isinstance(value, int) or isfinite(value)) else None
