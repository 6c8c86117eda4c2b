"""Force flags off at every client, and lift that again: the signed kill list of an environment.

It needs the remote, the root of trust and a key of the kill role; no git, no flag files and no compiler. Each round reads the
list with its tag, writes the next one on condition that nobody else did meanwhile, then writes the copy that manifests pin. A
write whose outcome is unknown is settled by reading: each list carries a nonce, so a writer knows its own.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, final

from flagctl.bundle.accept import Terms
from flagctl.bundle.accept_kills import read_kill_list
from flagctl.bundle.envelope import MAX_POINTER, seal
from flagctl.bundle.fields import LINE, NAME, format_instant
from flagctl.bundle.kill import PAYLOAD_TYPE, Kill, KillList, parse_kill_list, write_kill_list
from flagctl.bundle.names import kill_copy_key, kill_key
from flagctl.client.sync import Source, pull
from flagctl.diagnostics.suggest import did_you_mean
from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, RemoteError, UsageError
from flagctl.ops.kill_base import KillBase, read_kill_base, write_copy
from flagctl.ops.kill_model import KillAction, KillListing, KillOptions, KillResult, entry_of
from flagctl.ops.push import push_kills
from flagctl.ops.target import with_newest_root
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.bundle.trust import TrustRoot
    from flagctl.ops.target import Target
    from flagctl.signing import Signer

    Plan = Callable[[KillList | None], tuple[KillAction, tuple[Kill, ...]]]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_MAX_UNKNOWN_OUTCOMES: Final = 3


class KillRequest(NamedTuple):
    """What somebody wants to force off.

    Attributes:
        flag: Key of the flag.
        reason: Why, one line.
        actor: Who.
        until: When to look at it again, seconds since 1970; None for no reminder.
    """

    flag: str
    reason: str
    actor: str
    until: int | None = None


def kill(
    target: Target, signers: Sequence[Signer], request: KillRequest, options: KillOptions | None = None
) -> KillResult:
    """Force a flag to its `off` variant in one environment, at every client, until it is lifted.

    Killing it again replaces reason, actor and reminder.

    Raises:
        NothingMatchedError: If the live bundle has no such flag.
        ConflictError: If the current list is lost or cannot be verified, or other writers won every round.
        RemoteError: If the remote cannot be reached.
        UntrustedError: If the remote's chain of roots is broken.
        UsageError: If the signers do not suffice, or a value is out of bounds.
    """
    options = options or KillOptions()
    now = int(options.clock())
    for name, value in (("reason", request.reason), ("actor", request.actor)):
        if LINE.fullmatch(value) is None:
            raise UsageError(f"the {name} is one line of text, up to 200 characters")
    if NAME.fullmatch(request.flag) is None:
        raise UsageError(f"'{request.flag[:80]}' cannot be the key of a flag")
    if request.until is not None and request.until <= now:
        raise UsageError(f"{format_instant(request.until)} is over already", hint="--until names a time to come")
    shipped, target = target.trust, with_newest_root(target)
    warning = None if options.any_flag else _check_flag(target, request.flag, now)

    def plan(current: KillList | None) -> tuple[KillAction, tuple[Kill, ...]]:
        others = tuple(item for item in _entries(current) if item.flag != request.flag)
        wanted = Kill(request.flag, request.reason, request.actor, now, request.until)
        same = any(item._replace(time=now) == wanted for item in _entries(current))
        return ("unchanged", _entries(current)) if same else ("killed", (*others, wanted))

    writer = _Writer(target, shipped, signers, options)
    return writer.run(plan, request.flag, () if warning is None else (warning,))


def unkill(target: Target, signers: Sequence[Signer], flag: str, options: KillOptions | None = None) -> KillResult:
    """Lift the kill of a flag: it answers as its bundle says.

    Raises:
        NothingMatchedError: If the flag is not forced off.
        ConflictError: As `kill`.
        RemoteError: As `kill`.
        UntrustedError: As `kill`.
        UsageError: As `kill`.
    """

    def plan(current: KillList | None) -> tuple[KillAction, tuple[Kill, ...]]:
        left = tuple(item for item in _entries(current) if item.flag != flag)
        if len(left) == len(_entries(current)):
            known = ", ".join(sorted(current.flags)) if current is not None else ""
            raise NothingMatchedError(
                f"'{flag}' is not forced off in '{target.environment}'", hint=f"forced off: {known or 'nothing'}"
            )
        return "lifted", left

    shipped, newest = target.trust, with_newest_root(target)
    return _Writer(newest, shipped, signers, options or KillOptions()).run(plan, flag)


def renew_kills(target: Target, signers: Sequence[Signer], options: KillOptions | None = None) -> KillResult:
    """Sign the same list again under the next number: after a rotation of keys, or when a copy was lost.

    Raises:
        ConflictError: As `kill`.
        RemoteError: As `kill`.
        UntrustedError: As `kill`.
        UsageError: As `kill`.
    """
    shipped, target = target.trust, with_newest_root(target)
    writer = _Writer(target, shipped, signers, options or KillOptions())
    return writer.run(lambda current: ("renewed", _entries(current)), None)


def list_kills(target: Target, *, clock: Callable[[], float] = time.time) -> KillListing:
    """Return the kill list of an environment.

    Raises:
        ConflictError: If the list is lost or cannot be verified.
        RemoteError: If the remote cannot be reached.
        UntrustedError: If the remote's chain of roots is broken.
    """
    shipped, target = target.trust, with_newest_root(target)
    base = read_kill_base(target, shipped=shipped, recover=False)
    kills = base.kills
    return KillListing(
        environment=target.environment,
        project=target.project,
        url=target.remote.url,
        epoch=kills.epoch if kills else target.trust.epoch,
        seq=kills.seq if kills else 0,
        issued=format_instant(kills.issued) if kills else None,
        kills=tuple(entry_of(item, clock()) for item in _entries(kills)),
        warnings=base.warnings,
    )


def _entries(kills: KillList | None) -> tuple[Kill, ...]:
    return kills.kills if kills is not None else ()


def _check_flag(target: Target, flag: str, now: float) -> str | None:
    """Refuse a key that the live bundle does not have; without a bundle to look at, return a warning."""
    try:
        state = pull(Source(target.remote, Terms(expired=True, accepted_before=True)), target.reader(), now=now).state
    except FlagctlError as error:
        return f"whether there is a flag '{flag}' could not be checked: {error.message}"
    document = state.document
    if document is not None and not document.has("flags", flag):
        near = did_you_mean(flag, document.flag_keys())
        raise NothingMatchedError(
            f"the live bundle of '{target.environment}' has no flag '{flag}'",
            hint=f"did you mean '{near}'?" if near else "to force it off all the same: --any-flag",
        )
    return None


def _check_killers(target: Target, signers: Sequence[Signer]) -> None:
    role = target.trust.kill.get(target.environment)
    if role is None:
        raise UsageError(
            f"the root of trust lists no key that may force flags of '{target.environment}' off",
            hint="make the next root of trust: flagctl trust add-key --role kill",
        )
    listed = {key.keyid for key in role.keys}
    given = {signer.keyid for signer in signers}
    if len(given) != len(signers):
        raise UsageError("the same key was given twice")
    if len(given & listed) < role.threshold:
        raise UsageError(
            f"the kill list of '{target.environment}' needs {role.threshold} of the keys "
            f"{', '.join(sorted(keyid[:16] for keyid in listed))}; {len(given & listed)} of them given",
            hint="give the private key of the kill role: --key FILE, or --key env:NAME",
        )


class _Written(NamedTuple):
    """A list that was sent to the remote; whether it arrived may not be known."""

    kills: KillList
    result: KillResult


@final
class _Writer:
    """The rounds of one change."""

    def __init__(self, target: Target, shipped: TrustRoot, signers: Sequence[Signer], options: KillOptions) -> None:
        _check_killers(target, signers)
        self._target = target
        self._remote = target.remote
        self._key = kill_key(target.environment)
        self._shipped = shipped
        self._signers = signers
        self._options = options
        self._written: list[_Written] = []

    def run(self, plan: Plan, flag: str | None, warnings: tuple[str, ...] = ()) -> KillResult:
        options = self._options
        unknown = 0
        # One more look than attempts: the last write may have arrived although its answer did not.
        for attempt in range(1, options.attempts + 2):
            base = read_kill_base(self._target, shipped=self._shipped, recover=options.recover)
            arrived = self._arrived(base)
            if arrived is not None:
                return self._finish(arrived)
            if attempt > options.attempts:
                break
            action, entries = plan(base.kills)
            if action == "unchanged" and base.kills is not None and base.kills.epoch == self._target.trust.epoch:
                return replace(self._result(action, base.kills, base, warnings), flag=flag, attempts=attempt)
            kills = self._next(base, entries)
            action = "renewed" if action == "unchanged" else action
            result = replace(self._result(action, kills, base, warnings), flag=flag, attempts=attempt)
            if options.dry_run:
                return result
            written = self._prepare(base, kills, result)
            try:
                self._remote.put(self._key, written.kills.data, if_match=base.etag, if_none_match=base.etag is None)
            except (ConflictError, RemoteError) as error:
                unknown += isinstance(error, RemoteError)
                if unknown > _MAX_UNKNOWN_OUTCOMES:
                    raise
                options.sleep(options.uniform() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt))
            else:
                return self._finish(written)
        raise ConflictError(
            f"others changed the kill list of '{self._target.environment}' {options.attempts} times in a row",
            hint="try again",
        )

    def _arrived(self, base: KillBase) -> _Written | None:
        """Return the write of an earlier round that did arrive, though its answer did not say so."""
        for written in self._written:
            if base.kills is not None and base.kills.digest == written.kills.digest:
                return written
            # It may have been replaced already; whoever did that has written a copy of it first.
            if base.kills is not None and base.kills.seq > written.kills.seq:
                key = kill_copy_key(self._target.environment, written.kills.floor.sha256)
                if isinstance(self._remote.get(key, max_bytes=MAX_POINTER), Fetched):
                    return written
        return None

    def _next(self, base: KillBase, entries: tuple[Kill, ...]) -> KillList:
        return KillList(
            project=self._target.project,
            environment=self._target.environment,
            epoch=self._target.trust.epoch,
            seq=base.next_seq,
            previous=base.kills.digest if base.kills else None,
            issued=int(self._options.clock()),
            trust=self._target.trust.version,
            kills=tuple(sorted(entries)),
            nonce=os.urandom(8).hex(),
        )

    def _prepare(self, base: KillBase, kills: KillList, result: KillResult) -> _Written:
        """Sign, check with a reader's eyes, and make sure that the list about to be replaced has its copy."""
        if base.kills is not None and base.kills.epoch == kills.epoch:
            write_copy(self._target, base.kills)
        try:
            payload = write_kill_list(kills)
        except ValueError as error:
            raise UsageError(
                str(error), hint="set enabled: false on some of them in git, publish, then unkill them"
            ) from None
        data = seal(PAYLOAD_TYPE, payload, self._signers)
        read_kill_list(self._target.reader(), data)
        written = _Written(parse_kill_list(payload)._replace(data=data), result)
        self._written.append(written)
        return written

    def _finish(self, written: _Written) -> KillResult:
        # First of all those who wait for it.
        pushed, troubles = push_kills(self._target, written.kills)
        warnings = [*written.result.warnings, *troubles]
        try:
            write_copy(self._target, written.kills)
        except RemoteError as error:
            warnings.append(f"the list has no copy yet, the next change or publish will write it: {error.message}")
        return replace(written.result, warnings=tuple(warnings), pushed=pushed)

    def _result(self, action: KillAction, kills: KillList, base: KillBase, warnings: tuple[str, ...]) -> KillResult:
        same_epoch = base.kills is not None and base.kills.epoch == kills.epoch
        return KillResult(
            action=action,
            dry_run=self._options.dry_run,
            environment=kills.environment,
            project=kills.project,
            url=self._remote.url,
            flag=None,
            epoch=kills.epoch,
            seq=kills.seq,
            previous_seq=base.kills.seq if base.kills is not None and same_epoch else None,
            issued=format_instant(kills.issued),
            kills=tuple(entry_of(item, self._options.clock()) for item in kills.kills),
            attempts=1,
            warnings=(*warnings, *base.warnings),
        )
