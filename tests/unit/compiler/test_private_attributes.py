from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flagctl.compiler import compile_environment
from flagctl.errors import BundleFormatError
from flagctl.evaluator.document import open_bundle
from flagctl.model import Attribute, AttributeType, ContextSchema
from tests.generators.layout import bundle_of, lay_out
from tests.unit.compiler.build import flag, repository


def declared(*paths: tuple[str, ...], pii: bool = True) -> ContextSchema:
    return ContextSchema(attributes={path: Attribute(path=path, type=AttributeType.STRING, pii=pii) for path in paths})


def compiled(context: ContextSchema) -> bytes:
    plain = repository(flag())
    changed = replace(plain, config=replace(plain.config, context=context))
    return compile_environment(changed, next(iter(changed.config.environments))).data


def test_the_bundle_names_personal_attributes_in_one_order() -> None:
    data = compiled(declared(("phone",), ("address", "street"), ("email",)))
    assert json.loads(data)["bundle"]["pii"] == [["address", "street"], "email", "phone"]
    assert open_bundle(data).header.private == (("address", "street"), ("email",), ("phone",))
    assert compiled(declared(("email",), ("phone",), ("address", "street"))) == data


def test_a_bundle_without_personal_attributes_says_nothing_of_them() -> None:
    data = compiled(declared(("plan",), pii=False))
    assert b'"pii"' not in data
    assert open_bundle(data).header.private == ()


@pytest.mark.parametrize("pii", ["email", [7], [[]], [["a", 1]], {"email": True}, None])
def test_a_bundle_whose_personal_attributes_cannot_be_read_is_refused(pii: object) -> None:
    bundle = bundle_of({})
    bundle["bundle"]["pii"] = pii
    with pytest.raises(BundleFormatError, match="`pii`"):
        open_bundle(lay_out(bundle))
