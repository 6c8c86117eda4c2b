"""The pytest plugin. Loaded at every start of pytest where flagctl is installed, so it imports nothing until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.client.client import Client
    from flagctl.testing.recorder import Flags

_VARIANTS = "flag_variants"
_OVERRIDES = "flag_overrides"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings that say where the flags are."""
    parser.addini("flagctl_root", "folder of the flag repository, or a compiled bundle, for the fixture `flags`")
    parser.addini("flagctl_environment", "environment whose flags the fixture `flags` serves")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line(
        "markers", f"{_OVERRIDES}(overrides): let flags answer so in this test; see flagctl.testing"
    )
    config.addinivalue_line("markers", f"{_VARIANTS}(key, ...): run this test with every variant of a flag")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with every variant of the flags that their markers name."""
    definition = metafunc.definition
    if definition.get_closest_marker(_OVERRIDES) is not None and "flags" not in metafunc.fixturenames:
        metafunc.fixturenames.append("flags")
    if definition.get_closest_marker(_VARIANTS) is None:
        return
    from itertools import product  # noqa: PLC0415 - most tests never get here

    keys = dict.fromkeys(key for marker in definition.iter_markers(_VARIANTS) for key in marker.args)
    names = [_variants_of(metafunc.config, key) for key in keys]
    combinations = [dict(zip(keys, chosen, strict=True)) for chosen in product(*names)]
    if _VARIANTS not in metafunc.fixturenames:
        metafunc.fixturenames.append(_VARIANTS)
    ids = [",".join(f"{key}={name}" for key, name in each.items()) for each in combinations]
    metafunc.parametrize(_VARIANTS, combinations, ids=ids, indirect=True)


@pytest.fixture(scope="session")
def flagctl_client(pytestconfig: pytest.Config) -> Iterator[Client]:
    """The client that the fixture `flags` is about. Define a fixture of this name to have it be your application's."""
    from flagctl.testing.loading import client_from  # noqa: PLC0415 - as above

    with client_from(_place(pytestconfig), environment=pytestconfig.getini("flagctl_environment") or None) as client:
        yield client


@pytest.fixture
def flags(request: pytest.FixtureRequest, flagctl_client: Client) -> Iterator[Flags]:
    """Flags in a test: override them, and see what the application did with them; all of it ends with the test."""
    from flagctl.testing.recorder import Flags  # noqa: PLC0415 - as above

    with Flags(flagctl_client) as flags:
        # The closest marker wins.
        for marker in reversed(list(request.node.iter_markers(_OVERRIDES))):
            flags.set(*marker.args)
        yield flags


@pytest.fixture
def flag_variants(request: pytest.FixtureRequest, flags: Flags) -> Mapping[str, str]:
    """The variants that this run of a test with the marker `flag_variants` has, by flag."""
    from flagctl.testing.choices import variant  # noqa: PLC0415 - as above

    chosen: Mapping[str, str] = request.param
    flags.set({key: variant(name) for key, name in chosen.items()})
    return chosen


def _place(config: pytest.Config) -> Any:
    place = config.getini("flagctl_root")
    return (config.inipath.parent if config.inipath else config.rootpath) / place if place else config.rootpath


_loaded: pytest.StashKey[Any] = pytest.StashKey()


def _variants_of(config: pytest.Config, key: str) -> list[str]:
    """Return the names of a flag's variants."""
    from flagctl.errors import FlagctlError  # noqa: PLC0415 - as above
    from flagctl.testing.choices import advice  # noqa: PLC0415
    from flagctl.testing.loading import flags_from  # noqa: PLC0415

    if _loaded not in config.stash:
        try:
            config.stash[_loaded] = flags_from(
                _place(config), environment=config.getini("flagctl_environment") or None
            ).document
        except FlagctlError as error:
            raise pytest.Collector.CollectError(f"flagctl_root: {error.message}") from None
    document = config.stash[_loaded]
    if not document.has("flags", key):
        raise pytest.Collector.CollectError(f"there is no flag '{key}'; {advice(key, document.flag_keys())}")
    return [name for name, _ in document.flag(key)["variants"]]
