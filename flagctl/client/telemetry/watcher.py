"""Watches the evaluations of one set of flags: the observer that `flagctl.evaluator.observed` asks for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from flagctl.bundle.canonical import canonical_json
from flagctl.client.telemetry.privacy import Privacy
from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.closures import unit_at
from flagctl.evaluator.details import ErrorCode, Reason
from flagctl.evaluator.flagset import is_stale
from flagctl.evaluator.readings import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.client.telemetry.hub import Hub
    from flagctl.evaluator.details import Answer
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.evaluator.plan import Path
    from flagctl.evaluator.tally import Tally

_NO_FLAG: Final = frozenset({ErrorCode.FLAG_NOT_FOUND, ErrorCode.GENERAL})
_LONGEST_KEY: Final = 255
_ALLOCATION: Final = "/allocation"


class Settings(NamedTuple):
    """An experiment as a bundle has it.

    Attributes:
        unit: Path of the attribute that units are drawn by.
        layer: Key of its layer, or None.
        config: Digest of everything that decides who gets which variant: 16 hexadecimal digits.
    """

    unit: Path = "targeting_key"
    layer: str | None = None
    config: str = ""


_UNKNOWN: Final = Settings()


@final
class Watcher:
    """Counts, and hands exposures and log entries to the hub.

    Args:
        hub: Takes what is to be reported.
        flags: What is watched.
    """

    def __init__(self, hub: Hub, flags: FlagSet) -> None:
        self.hub = hub
        self.owner = hub
        self.document = flags.document
        self.privacy = Privacy(flags.header.private, hub.options.hash_key)
        self._stale = is_stale(flags)
        self._settings: dict[str, Settings] = {}

    def tally(self, key: object, answer: Answer) -> Tally:
        """Return what to count an answer in."""
        flag = text(key)
        book = self.hub.book
        reason = self.reason(answer)
        if answer.error_code in _NO_FLAG or flag is None:
            return book.unknown(flag if flag is not None and _could_be_key(flag) else None, reason)
        if answer.unit is None or answer.experiment is None or answer.variant is None:
            return book.tally(flag, answer.variant, reason)
        config = self.settings(answer.experiment).config
        tally = book.tally(flag, answer.variant, reason, f"{answer.experiment}/{config}")
        self.hub.exposures.join(tally, answer.experiment, answer.variant, config)
        return tally

    def expose(self, key: str, answer: Answer, tally: Tally, context: Any) -> None:
        """Report the exposure of a unit that was not seen lately."""
        hub = self.hub
        if not hub.wants_exposures or answer.unit is None:
            return
        raw = unit_at(context, answer.unit)
        unit = unit_of(raw)
        if unit is None or not hub.exposures.first(tally, unit, raw):
            return
        wanted = hub.options.exposure_attributes
        attributes = {name: unit_at(context, tuple(name.split(".")) if "." in name else name) for name in wanted}
        is_bot = unit_at(context, hub.options.bot_attribute) is True
        if not hub.note("exposures", hub.maker.exposure, (self, key, answer, unit, attributes, is_bot)):
            hub.exposures.forget(tally, unit, raw)

    def log(self, _key: object, answer: Answer, tally: Tally, context: Any, served: tuple[bool, Any, int]) -> None:
        """Put an evaluation into the log."""
        hub = self.hub
        tally.due = hub.book.next_due(tally)
        held = copied(context) if hub.options.log_context else None
        unit = unit_of(context["targeting_key"]) if type(context) is dict and "targeting_key" in context else None
        hub.note("evaluations", hub.maker.evaluation, (self, tally.flag, answer, held, unit, served))

    def reason(self, answer: Answer) -> str:
        """Return the reason of an answer, with the error code of errors."""
        if answer.error_code is not None:
            return f"ERROR:{answer.error_code.value}"
        if self._stale and answer.reason is not Reason.DISABLED:
            return Reason.STALE.value
        return answer.reason.value

    def settings(self, experiment: str) -> Settings:
        """Return how an experiment draws units; as for one by targeting key if the bundle has none of that key."""
        found = self._settings.get(experiment)
        if found is None:
            found = self._settings[experiment] = self._read_settings(experiment)
        return found

    def has_experiment(self, experiment: object) -> bool:
        """Return whether the bundle has an experiment of that key."""
        return type(experiment) is str and self.document.has("experiments", experiment)

    def _read_settings(self, experiment: str) -> Settings:
        try:
            flag = self.document.flag(self.document.experiment(experiment)["flag"])
            for rule in flag["rules"]:
                if "experiment" in rule and rule["experiment"]["key"] == experiment:
                    return _settings(experiment, rule, flag["variants"])
        except (LookupError, ValueError, TypeError):
            pass  # nothing serves it, or its entries can't be read
        return _UNKNOWN


def _settings(experiment: str, rule: Mapping[str, Any], variants: list[Any]) -> Settings:
    unit = rule.get("unit", "targeting_key")
    salt = str(rule["experiment"].get("salt", ""))
    layer = salt.removesuffix(_ALLOCATION)
    parts = {name: rule[name] for name in ("experiment", "salt", "unit") if name in rule}
    if "split" in rule:
        parts["split"] = [[end, variants[index][0]] for end, index in rule["split"]]
    return Settings(
        tuple(unit) if isinstance(unit, list) else unit,
        layer if salt.endswith(_ALLOCATION) and layer != experiment else None,
        hashlib.sha256(canonical_json(parts)).hexdigest()[:16],
    )


def _could_be_key(text: str) -> bool:
    """Return whether text may be a flag's key; what is none may be anything, even somebody's address."""
    return 0 < len(text) <= _LONGEST_KEY and text.isascii() and text.translate(_IN_KEYS) == ""


_IN_KEYS: Final = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz0123456789._-")


def copied(context: Any) -> Any:
    """Return a context with its containers copied, because the application may go on to change it."""
    from collections.abc import Mapping  # noqa: PLC0415 - of the evaluation log only

    if isinstance(context, Mapping):
        return {key: copied(value) for key, value in context.items()}
    if isinstance(context, (list, tuple, set, frozenset)):
        return [copied(item) for item in context]
    return context
