"""Where code names flags."""

from flagctl.references import ReferenceKind, ReferenceSettings, Scanner
from flagctl.references.search import Search

KEYS = frozenset({"new-checkout", "search-ranking", "checkout.fast"})


def search(files: dict[str, str], settings: ReferenceSettings | None = None, keys: frozenset[str] = KEYS):
    run = Search(keys, KEYS, settings or ReferenceSettings())
    for path, text in files.items():
        run.add(path, text.encode())
    return run.finish()


def places(files: dict[str, str], settings: ReferenceSettings | None = None):
    found, _ = search(files, settings)
    return [(one.path, one.line, one.column, one.key, one.kind.value, one.method, one.via) for one in found]


def test_keys_count_in_quotes_and_backticks_only() -> None:
    text = "a('new-checkout') b(\"new-checkout\") `new-checkout` new-checkout 'new-checkout-2' 'x-new-checkout'"
    assert [one[2] for one in places({"a.ts": text})] == [3, 21, 37]


def test_a_key_with_a_dot_is_found() -> None:
    assert places({"a.go": 'x("checkout.fast")'})[0][3] == "checkout.fast"


def test_the_first_look_never_misses_what_the_second_finds() -> None:
    scanner = Scanner(KEYS, ReferenceSettings(aliases=("camel", "kebab", "dot"), literals=(("CHK!", "new-checkout"),)))
    for text in ('"new-checkout"', "'checkout.fast'", "newCheckout", "x-searchRanking", "new.checkout", "CHK!"):
        assert scanner.hits(text.encode()), text
        assert scanner.may_have(text.encode()), text
    assert not scanner.may_have(b"nothing here")


def test_aliases_are_identifiers_in_configured_casings() -> None:
    settings = ReferenceSettings(aliases=("camel", "upper-snake"))
    found = places({"a.ts": "f(newCheckout, NEW_CHECKOUT, NewCheckout, renewCheckout)"}, settings)
    assert [one[6] for one in found] == ["newCheckout", "NEW_CHECKOUT"]


def test_patterns_and_literals_find_what_has_no_quotes() -> None:
    settings = ReferenceSettings(patterns=("data-flag=FLAG_KEY",), literals=(("legacyFlag", "search-ranking"),))
    found = places({"a.html": "<p data-flag=new-checkout>\n<p x=legacyFlag>"}, settings)
    assert [(one[1], one[3]) for one in found] == [(1, "new-checkout"), (2, "search-ranking")]


def test_kinds_of_other_languages_come_from_the_line() -> None:
    found = places(
        {
            "a.ts": 'client.getBooleanValue("new-checkout", false)\n// "new-checkout"\nconst x = "new-checkout"',
            "web/a.spec.ts": 'expect("new-checkout")',
            "deploy.yaml": "flag: 'new-checkout'",
        }
    )
    assert [one[4] for one in found] == ["evaluation", "comment", "other", "config", "test"]
    assert found[0][5] == "getBooleanValue"


PYTHON = {
    "app/keys.py": 'NEW = "new-checkout"\n\n\nclass Flag:\n    SEARCH = "search-ranking"\n',
    "app/access.py": (
        "from flagctl import Client\nclient = Client()\n\n\n"
        "def enabled(key, user=None):\n    return client.is_enabled(key, user)\n\n\n"
        'def checkout(user):\n    return enabled("new-checkout", user)\n'
    ),
    "app/views.py": (
        "from app.keys import NEW as KEY, Flag\nfrom app import keys\nimport app.keys as k\n"
        "from .access import enabled, checkout\n\n\n"
        "def view(client):\n"
        "    client.is_enabled(KEY)\n"
        '    client.get_value(Flag.SEARCH, None, "v1")\n'
        "    client.is_enabled(keys.NEW)\n"
        "    client.get_value(k.Flag.SEARCH, None, default=3)\n"
        "    enabled(KEY)\n"
        "    checkout(None)\n"
        '    local = "new-checkout"\n'
        "    flags.evaluate(local)\n"
        "    # 'new-checkout'\n"
    ),
}


def test_python_is_followed_through_constants_wrappers_and_accessors() -> None:
    found = [one[1:] for one in places(PYTHON) if one[0] == "app/views.py"]
    assert found == [
        (8, 23, "new-checkout", "evaluation", "is_enabled", "KEY"),
        (9, 22, "search-ranking", "evaluation", "get_value", "Flag.SEARCH"),
        (10, 23, "new-checkout", "evaluation", "is_enabled", "keys.NEW"),
        (11, 22, "search-ranking", "evaluation", "get_value", "k.Flag.SEARCH"),
        (12, 13, "new-checkout", "evaluation", "enabled", "KEY"),
        (13, 5, "new-checkout", "evaluation", "checkout", "checkout"),
        (14, 13, "new-checkout", "other", None, None),
        (15, 20, "new-checkout", "evaluation", "evaluate", "local"),
        (16, 7, "new-checkout", "comment", None, None),
    ]


def test_the_callers_default_is_told() -> None:
    found, _ = search(PYTHON)
    assert [one.default for one in found if one.method == "get_value"] == ["'v1'", "3"]


def test_constants_are_named() -> None:
    found = [one for one in places(PYTHON) if one[0] == "app/keys.py"]
    assert [(one[4], one[6]) for one in found] == [("constant", "NEW"), ("constant", "Flag.SEARCH")]


def test_a_name_that_is_bound_twice_is_no_constant() -> None:
    text = 'KEY = "new-checkout"\nKEY = "search-ranking"\nclient.is_enabled(KEY)\n'
    assert [one[4] for one in places({"a.py": text})] == ["other", "other"]


def test_a_parameter_hides_a_constant() -> None:
    text = 'KEY = "new-checkout"\n\n\ndef f(KEY):\n    client.is_enabled(KEY)\n'
    assert [one[1] for one in places({"a.py": text})] == [1]


def test_unknown_keys_are_told_where_there_is_no_doubt() -> None:
    text = (
        "import flagctl\n"
        'client.is_enabled("new-chekout")\n'  # a typo
        'client.get_value("nope", None, 1)\n'
        'cache.get_value("something")\n'  # no flags
        'settings.evaluate("whatever")\n'
    )
    _, unknown = search({"a.py": text, "b.ts": 'c.getStringValue("nope-too", "x")\n// c.getStringValue("no", "x")'})
    assert [(one.path, one.line, one.key) for one in unknown] == [
        ("a.py", 2, "new-chekout"),
        ("a.py", 3, "nope"),
        ("b.ts", 1, "nope-too"),
    ]


def test_configured_wrappers_take_the_key_first() -> None:
    settings = ReferenceSettings(wrappers=("feature",))
    found, unknown = search({"a.py": 'feature("new-checkout")\nfeature("nope")\n'}, settings)
    assert found[0].kind is ReferenceKind.EVALUATION
    assert unknown[0].key == "nope"


def test_files_that_are_no_python_are_read_as_text() -> None:
    assert places({"a.py": 'print "new-checkout"\n'})[0][:4] == ("a.py", 1, 7, "new-checkout")


def test_columns_count_characters() -> None:
    assert places({"a.py": 'x = "ü"; client.is_enabled("new-checkout")'})[0][2] == 28
    assert places({"a.js": 'x = "ü"; isEnabled("new-checkout")'})[0][2] == 20
