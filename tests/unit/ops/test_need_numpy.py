from __future__ import annotations

import importlib.util

import pytest

from flagctl.errors import UsageError
from flagctl.ops.measure import need_numpy


def test_without_numpy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    need_numpy()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs NumPy") as caught:
        need_numpy()
    assert caught.value.hint == 'install it: pip install "flagctl[population]"'
