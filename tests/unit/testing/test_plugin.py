"""The plugin as an application's tests see it, each in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flagctl.resources import data_path

pytest_plugins = ["pytester"]

FLAGS = data_path("flags").as_posix()
INI = f"[pytest]\nflagctl_root = {FLAGS}\nflagctl_environment = production\nfilterwarnings = error\naddopts = --strict-markers\n"


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs tests against the example flags, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text, *arguments, ini=INI):
        pytester.makefile(".ini", pytest=ini)
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "flagctl.testing.plugin", *arguments)

    return run


def test_the_fixture_overrides_and_watches_and_ends_both(run):
    result = run("""
        USER = {"targeting_key": "user-1"}

        def test_overridden(flags):
            flags.set({"recommendations": False})
            assert not flags.client.is_enabled("recommendations", USER)
            flags.assert_evaluated("recommendations", value=False)

        def test_afterwards(flags):
            flags.assert_not_evaluated("recommendations")
            assert flags.client.is_enabled("recommendations", USER)
    """)
    result.assert_outcomes(passed=2)


def test_an_override_ends_when_its_test_fails(run):
    result = run("""
        def test_failing(flags):
            flags.set({"recommendations": False})
            assert flags.client.is_enabled("recommendations", {})

        def test_afterwards(flags):
            assert flags.client.is_enabled("recommendations", {})
    """)
    result.assert_outcomes(passed=1, failed=1)


def test_markers_override_and_the_closest_wins(run):
    result = run("""
        import pytest

        pytestmark = pytest.mark.flag_overrides({"recommendations": False, "api-rate-limit": 1})

        @pytest.mark.flag_overrides({"api-rate-limit": 2})
        def test_it(flagctl_client):
            assert not flagctl_client.is_enabled("recommendations", {})
            assert flagctl_client.get_value("api-rate-limit", {}, 0) == 2
    """)
    result.assert_outcomes(passed=1)


def test_a_test_runs_with_every_variant_and_every_combination(run):
    result = run(
        """
        import pytest

        @pytest.mark.flag_variants("search-ranking")
        def test_one(flags, flag_variants):
            assert flags.client.evaluate("search-ranking", {}).variant == flag_variants["search-ranking"]

        @pytest.mark.flag_variants("search-ranking", "recommendations")
        @pytest.mark.parametrize("word", ["a", "b"])
        def test_two(flags, word):
            flags.client.is_enabled("recommendations", {})

        @pytest.mark.flag_variants("recommendations")
        class TestThree:
            def test_it(self, flagctl_client, flag_variants):
                assert flagctl_client.is_enabled("recommendations", {}) is (flag_variants["recommendations"] == "on")
        """,
        "-v",
    )
    result.assert_outcomes(passed=3 + 3 * 2 * 2 + 2)
    result.stdout.fnmatch_lines(["*test_one?search-ranking=neural? PASSED*"])


def test_the_application_s_own_client_is_used_if_there_is_a_fixture_for_it(run):
    result = run(f"""
        import pytest
        from flagctl.testing import client_from

        own = client_from({FLAGS!r}, environment="staging")

        @pytest.fixture
        def flagctl_client():
            return own

        def test_it(flags):
            assert flags.client is own
            assert own.status().environment == "staging"
    """)
    result.assert_outcomes(passed=1)


def test_mistakes_are_explained(run):
    unknown = run("""
        import pytest

        @pytest.mark.flag_variants("serach-ranking")
        def test_it():
            pass
    """)
    unknown.stdout.fnmatch_lines(["*there is no flag 'serach-ranking'; did you mean 'search-ranking'?*"])
    wrong = run("def test_it(flags):\n    flags.set({'search-ranking': 'nueral'})")
    wrong.stdout.fnmatch_lines(["E *did you mean 'neural'?*"])
    nowhere = run("import pytest\n@pytest.mark.flag_variants('a')\ndef test_it(): pass", ini="[pytest]\n")
    nowhere.stdout.fnmatch_lines(["*flagctl_root: *flagctl.yaml*"])


def test_a_failed_assertion_shows_what_was_seen_and_no_code_of_flagctl(run):
    result = run("""
        def test_it(flags):
            flags.client.is_enabled("recommendations", {"targeting_key": "user-1"})
            flags.assert_evaluated("recommendations", variant="off")
    """)
    result.stdout.fnmatch_lines(["E *not evaluated: flag='recommendations', variant='off'", "E *seen: Evaluated(*"])
    assert "recorder.py" not in result.stdout.str()


def test_pytest_finds_the_plugin_by_itself_and_in_several_processes(pytester):
    pytester.makefile(".ini", pytest=INI)
    pytester.makepyfile("def test_one(flags): flags.set({'recommendations': False})\ndef test_two(flags): pass")
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=2)


def test_settings_and_markers_are_documented(run):
    text = run("", "--markers").stdout.str()
    assert "flag_variants(key, ...)" in text
    assert "flag_overrides(overrides)" in text
    assert "flagctl_environment" in run("", "--help").stdout.str()


def test_the_plugin_imports_nothing_before_it_is_used():
    script = (
        "import pytest, sys\nbefore = set(sys.modules)\nimport flagctl.testing.plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["flagctl", "flagctl.lazy_names", "flagctl.testing", "flagctl.testing.plugin"]
