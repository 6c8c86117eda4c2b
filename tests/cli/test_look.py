"""`list`, `show` and `graph`."""

from __future__ import annotations


def test_flags_are_listed_with_their_state_everywhere(cli, example) -> None:
    text = cli("list").stdout
    assert text.splitlines()[0].split()[:3] == ["FLAG", "TYPE", "OWNER"]
    assert "40 flags" in text


def test_filters_narrow_the_list_and_an_empty_list_is_no_success(cli, example) -> None:
    keys = [flag["key"] for flag in cli.json("list", "--tag", "checkout", "--type", "boolean")["flags"]]
    assert "new-checkout-flow" in keys
    assert "shipping-options" not in keys
    owners = {flag["owner"] for flag in cli.json("list", "--owner", "team-search,team-mobile")["flags"]}
    assert owners == {"team-search", "team-mobile"}
    assert [flag["key"] for flag in cli.json("list", "CHECKOUT flow")["flags"]] == ["new-checkout-flow"]
    one = cli.json("list", "--env", "production")["flags"][0]
    assert [entry["environment"] for entry in one["environments"]] == ["production"]
    assert "no flag fits" in cli("list", "--tag", "nonsense", exit_code=3).stderr
    assert "boolean, string, number, json" in cli("list", "--type", "bool", exit_code=2).stderr
    assert "did you mean 'staging'?" in cli("list", "--env", "stagign", exit_code=2).stderr


def test_a_list_with_broken_files_says_that_it_may_be_incomplete(cli, example) -> None:
    (example / "search" / "search-ranking.yaml").write_text("kind: flag\nkey: [search-ranking\n")
    result = cli("list")
    assert "39 flags" in result.stdout
    assert "search/search-ranking.yaml" in result.stderr
    for number in range(7):
        (example / "mobile" / f"a\n{number}.yaml").write_text("")
    warning = cli("list").stderr.splitlines()[0]
    assert warning.endswith(
        "mobile/a 0.yaml, mobile/a 1.yaml, mobile/a 2.yaml, mobile/a 3.yaml, mobile/a 4.yaml and 3 more"
    )


def test_a_flag_is_shown_in_every_environment(cli, example) -> None:
    text = cli("show", "new-checkout-flow").stdout
    assert "employees: in segment employees → on" in text
    assert "needs payments-v2 = on" in text
    assert "on for 0 % → 50 % from 2026-12-01T08:00:00Z" in text
    assert "used by   checkout-express-buttons" in text
    assert cli("show", "new-checkout-flow", "--source").stdout.startswith("# yaml-language-server")
    assert "did you mean 'new-checkout-flow'?" in cli("show", "new-checkout-flw", exit_code=3).stderr


def test_environments_that_agree_are_shown_once(cli, example) -> None:
    assert "development, staging, production\n" in cli("show", "visual-search").stdout


def test_a_graph_is_text_mermaid_or_dot(cli, example) -> None:
    assert "→ payments-v2 = on" in cli("graph", "new-checkout-flow").stdout
    mermaid = cli("graph", "new-checkout-flow", "--format", "mermaid").stdout
    assert mermaid.startswith("flowchart LR\n")
    assert cli("graph", "new-checkout-flow", "--output-format", "mermaid").stdout == mermaid
    assert '-->|"on"|' in mermaid
    dot = cli("graph", "--format", "dot").stdout
    assert dot.startswith("digraph flags {")
    assert '"flag:new-checkout-flow" -> "flag:payments-v2"' in dot
    assert dot.rstrip().endswith("}")
    assert "text, mermaid, dot" in cli("graph", "--format", "png", exit_code=2).stderr


def test_the_impact_of_turning_a_flag_off_follows_the_chain(cli, example) -> None:
    text = cli("graph", "payments-v2", "--impact").stdout
    assert "Turned off with it (3):" in text
    assert "because of payments-v2 → new-checkout-flow" in text
    assert "No other flag turns off with it." in cli("graph", "gift-wrapping", "--impact").stdout
    assert "flagctl graph KEY --impact" in cli("graph", "--impact", exit_code=2).stderr
    affected = cli.json("graph", "ledger-v3", "--impact", "--env", "production")["affected"]
    assert affected[0]["key"] == "payments-v2"
    assert affected[0]["environments"] == ["production"]
