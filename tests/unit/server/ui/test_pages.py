from __future__ import annotations

import html
import json

import pytest

from tests.simulators.ui_server import Visitor, flagctl, run, showing

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


def rows(page: str) -> list[str]:
    import re

    return re.findall(r'<a class="key" href="/flags/([^"]+)"', page)


# --- the list ---


def test_the_list_has_every_flag_and_searching_narrows_it(guest):
    everything = rows(guest.get("/").text)
    assert len(everything) == 40
    assert rows(guest.get("/?q=checkout").text)[0] == "checkout-express-buttons"
    assert set(rows(guest.get("/?q=NEW checkout").text)) <= set(everything)
    assert rows(guest.get("/?q=new-checkout-flow").text)[0] == "new-checkout-flow"
    assert "No flag fits" in guest.get("/?q=nothing-has-this-name").text


@pytest.mark.parametrize(
    ("query", "some", "other"),
    [
        ("type=json", "shipping-options", "gift-wrapping"),
        ("owner=team-payments", "payments-v2", "gift-wrapping"),
        ("tag=kill-switch", "recommendations", "gift-wrapping"),
        ("state=off&env=development", "recommendations", "payments-v2"),
        ("state=on&env=production", "payments-v2", "none"),
        ("state=rolling-out&env=production", "new-checkout-flow", "gift-wrapping"),
        ("state=experiment", "search-ranking", "gift-wrapping"),
        ("state=scheduled", "gift-wrapping", "payments-v2"),
        ("state=temporary", "new-checkout-flow", "log-level"),
        ("state=permanent", "log-level", "new-checkout-flow"),
        ("state=nonsense", "", "payments-v2"),
        ("env=nonsense", "payments-v2", ""),
    ],
)
def test_filters_narrow_the_list(guest, query, some, other):
    found = rows(guest.get(f"/?{query}").text)
    assert not some or some in found
    assert other not in found


def test_the_address_of_a_search_has_only_what_was_asked_for(guest):
    answer = guest.get("/?q=pay&env=&state=&type=&owner=&tag=", headers={"hx-request": "true"})
    assert answer.headers["HX-Push-Url"] == "/?q=pay"
    more = guest.get("/?q=&page=2", headers={"hx-request": "true"})
    assert "HX-Push-Url" not in more.headers


def test_htmx_gets_the_rows_alone_and_a_page_that_went_back_gets_all_of_it(guest):
    part = guest.get("/?q=pay", headers={"hx-request": "true"}).text
    assert "<html" not in part
    assert "payments-v2" in part
    whole = guest.get("/?q=pay", headers={"hx-request": "true", "hx-history-restore-request": "true"}).text
    assert "<html" in whole


@pytest.mark.parametrize("page", ["0", "-1", "x", "999999999", "99", "²"])
def test_a_page_that_is_not_there_is_no_trouble(guest, page):
    assert guest.get("/", params={"page": page}).status_code == 200


def test_files_with_errors_are_named(visitor, shop):
    (shop / "checkout" / "broken.yaml").write_text("kind: flag\nkey: broken\ntype: nonsense\n")
    server_page = visitor.get("/edit?path=checkout/broken.yaml").text
    assert "error" in server_page
    assert "checkout/broken.yaml" in visitor.get("/").text


# --- one flag ---


def test_a_flag_page_says_what_each_environment_serves(guest):
    page = html.unescape(guest.get("/flags/new-checkout-flow").text)
    assert "in segment beta-testers and country in [DE, AT, FR, NL] and not in segment embargoed" in page
    assert "Needs" in page
    assert '<svg class="picture graph"' in page
    assert '<svg class="picture rollout"' in page
    assert "checkout-express-buttons" in page
    assert "temporary, until 2027-09-30" in page


def test_a_flag_page_of_another_revision_shows_what_was(guest):
    assert "everybody else" in guest.get("/flags/gift-wrapping?at=HEAD~1").text
    assert "default: on" in guest.get("/flags/gift-wrapping?at=HEAD~1").text
    assert "default: off" in guest.get("/flags/gift-wrapping").text
    assert guest.get("/flags/gift-wrapping?at=nonsense").status_code == 400
    assert guest.get("/flags/gift-wrapping?at=--help").status_code == 400


def test_the_history_of_a_flag_has_meanings_and_authors(guest):
    page = html.unescape(guest.get("/flags/gift-wrapping/history").text)
    assert "No gift wrapping for now" in page
    assert "Tests" in page
    assert "default on → off" in page


@pytest.mark.parametrize("path", ["/flags/none", "/segments/none", "/experiments/none", "/nonsense"])
def test_what_is_not_there_is_not_found(guest, path):
    assert guest.get(path).status_code == 404


def test_an_environment_nobody_configured_is_a_wrong_question(guest):
    assert guest.get("/environments/none").status_code == 400


def test_usage_and_results_say_what_they_need(guest):
    assert "--events" in guest.get("/flags/gift-wrapping/usage").text
    assert "--events" in guest.get("/experiments/ranking-test/results").text


def test_code_that_names_a_flag_is_shown_and_what_nobody_names_is_said(guest):
    page = html.unescape(guest.get("/flags/gift-wrapping/code").text)
    assert "No file of this repository names" in page
    assert "/flags/gift-wrapping/code" in guest.get("/flags/gift-wrapping").text


def test_places_in_code_have_their_line(shop, visitor):
    (shop / "app.py").write_text(
        'import flagctl\n\nif client.is_enabled("gift-wrapping", user):\n    wrap()\n', encoding="utf-8"
    )
    run(shop, "git", "add", "app.py")
    page = html.unescape(visitor.get("/flags/gift-wrapping/code").text)
    assert "app.py:3" in page
    assert 'if client.is_enabled("gift-wrapping", user):' in page


def test_code_is_looked_through_for_a_flag_that_only_a_branch_has(shop, visitor):
    (shop / "app.py").write_text('import flagctl\n\nclient.is_enabled("gift-cards", user)\n', encoding="utf-8")
    run(shop, "git", "switch", "--quiet", "--create", "gifts")
    old = (shop / "checkout/gift-wrapping.yaml").read_text()
    (shop / "checkout/gift-cards.yaml").write_text(old.replace("gift-wrapping", "gift-cards"))
    run(shop, "git", "add", ".")
    run(shop, "git", "commit", "--quiet", "-m", "Gift cards")
    run(shop, "git", "switch", "--quiet", "main")
    (shop / "app.py").write_text('import flagctl\n\nclient.is_enabled("gift-cards", user)\n', encoding="utf-8")
    run(shop, "git", "add", "app.py")
    assert "/flags/gift-cards/code?at=gifts" in visitor.get("/flags/gift-cards?at=gifts").text
    assert "app.py:3" in visitor.get("/flags/gift-cards/code?at=gifts").text
    assert visitor.get("/flags/gift-cards/code").status_code == 404


# --- the playground ---


def test_the_playground_answers_as_the_command_does(guest, shop_original):
    context = {"targeting_key": "user-1", "email": "ada@acme.com", "country": "DE", "plan": "pro", "platform": "web"}
    said = json.loads(
        flagctl(
            shop_original,
            *("eval", "new-checkout-flow", "--env", "production", "--context", json.dumps(context)),
            *("--at", "2026-12-08T08:00:00Z", "--output-format", "json"),
        )
    )
    form = {
        "flag": "new-checkout-flow",
        "env": "production",
        "context": json.dumps(context),
        "at": "2026-12-08T08:00:00Z",
    }
    page = html.unescape(guest.post("/play", form).text)
    assert f"<code>{json.dumps(said['value'])}</code>" in page
    assert said["reason"] in page
    assert f"rule {said['rule']}" in page
    assert f"{said['decided_at']['path']}:{said['decided_at']['line']}" in page
    assert "needs payments-v2 = on: it serves on" in page


def test_the_playground_looks_at_any_revision_and_instant(guest):
    form = {"flag": "gift-wrapping", "env": "production", "context": '{"targeting_key": "u"}', "at": "2026-12-01T00:00"}
    assert "<code>false</code>" in guest.post("/play", form).text
    assert "<code>true</code>" in guest.post("/play", form | {"revision": "HEAD~1"}).text
    ramp = {"flag": "new-checkout-flow", "env": "production", "at": "2026-11-01T00:00"}
    page = guest.post("/play", ramp | {"context": '{"targeting_key": "u", "country": "DE", "platform": "web"}'}).text
    assert "0 % of units" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"context": "{"},
        {"context": "[]"},
        {"context": "NaN0"},
        {"context": "[" * 100_000},
        {"at": "yesterday"},
        {"at": "9" * 400},
        {"env": "moon"},
        {"flag": "none"},
        {"revision": "none"},
        {"default": "{"},
    ],
)
def test_a_question_that_cannot_be_answered_says_why(guest, wrong):
    form = {"flag": "gift-wrapping", "env": "production", "context": "{}"} | wrong
    answer = guest.post("/play", form, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert int(answer.headers["x-flagctl-status"]) in {400, 404}
    assert 'role="alert"' in answer.text


def test_every_step_of_every_flag_can_be_shown(guest, shop_original):
    context = json.dumps(
        {"targeting_key": "user-1", "email": "ada@acme.com", "country": "DE", "plan": "pro", "ip": "10.0.0.1"}
    )
    for key in rows(guest.get("/").text):
        for environment in ("development", "production"):
            answer = guest.post("/play", {"flag": key, "env": environment, "context": context})
            assert answer.status_code == 200, key
            assert "How it came about" in answer.text


# --- what is live ---


def test_an_environment_is_planned_published_and_rolled_back(visitor):
    import re

    page = visitor.get("/environments/production/plan").text
    assert "gift-wrapping" in page
    fields = dict(re.findall(r'<input type="hidden" name="([a-z-]+)" value="([^"]*)"', page))
    fields.pop("csrf")
    refused = visitor.post("/environments/production/publish", fields | {"confirm": "prod"})
    assert refused.status_code == 409
    assert "not confirmed" in refused.text
    done = visitor.post("/environments/production/publish", fields | {"confirm": "production"})
    assert "Number 2 is live" in done.text
    assert "What is live is what is committed" in visitor.get("/environments/production/plan").text
    again = visitor.post("/environments/production/publish", fields | {"confirm": "production"})
    assert again.status_code == 409
    listed = visitor.get("/environments/production/published").text
    assert 'name="seq" value="1"' in listed
    assert visitor.post("/environments/production/rollback", {"seq": "x", "confirm": "production"}).status_code == 400
    back = visitor.post("/environments/production/rollback", {"seq": "1", "confirm": "production"})
    assert "Number 3 is live" in back.text
    events = visitor.get("/audit/events").text
    assert "number 3 published to production, back to the flags of number 1, live now" in events
    assert "No gift wrapping for now" in events


def test_a_plan_that_is_no_longer_true_is_not_published(visitor, shop):
    import re

    page = visitor.get("/environments/production/plan").text
    fields = dict(re.findall(r'<input type="hidden" name="([a-z-]+)" value="([^"]*)"', page))
    fields.pop("csrf")
    file = shop / "checkout" / "gift-wrapping.yaml"
    file.write_text(file.read_text().replace("default: off", "default: on", 1))
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Gifts again")
    answer = visitor.post("/environments/production/publish", fields | {"confirm": "production"})
    assert answer.status_code == 409
    assert "not those of the plan" in answer.text


def test_a_flag_is_forced_off_and_lifted_with_its_key_typed_and_a_reason(visitor, shop):
    form = {"flag": "payments-v2", "reason": "payments time out", "until": "2h"}
    url = "/environments/production/kill"
    assert visitor.post(url, form).status_code == 409
    assert visitor.post(url, form | {"confirm": "payments"}).status_code == 409
    assert visitor.post(url, form | {"confirm": "payments-v2", "reason": " "}).status_code == 400
    assert visitor.post(url, form | {"confirm": "payments-v2", "until": "soon"}).status_code == 400
    done = visitor.post(url, form | {"confirm": "payments-v2"})
    assert "payments-v2 is forced off in production" in done.text
    assert "kill/production/payments-v2" in run(shop, "git", "branch", "--all")
    live = visitor.get("/environments/production/live?full=yes").text
    assert "payments time out" in live
    assert "payments-v2 forced off in production" in visitor.get("/audit/events?env=production").text
    lifted = visitor.post("/environments/production/unkill", {"flag": "payments-v2", "confirm": "payments-v2"})
    assert "as it is published" in lifted.text
    assert "payments time out" not in visitor.get("/environments/production/live?full=yes").text
    events = visitor.get("/audit/events?env=production&key=payments-v2").text
    assert "payments-v2 no longer forced off in production" in events
    assert "payments-v2 forced off in production" in events
    assert "payments time out" in events
    assert "forced off" not in visitor.get("/audit/events?key=gift-wrapping").text


def test_the_timeline_and_the_history_say_who_agreed(visitor, shop):
    file = shop / "checkout" / "gift-wrapping.yaml"
    run(shop, "git", "switch", "--quiet", "-c", "gifts")
    file.write_text(file.read_text().replace("default: off", "default: on", 1))
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Gifts again")
    run(shop, "git", "switch", "--quiet", "main")
    run(shop, "git", "merge", "--quiet", "--no-ff", "gifts", "-m", "Merge gifts\n\nReviewed-by: Ann <ann@example.com>")
    file.write_text(file.read_text().replace("default: on", "default: off", 1))
    run(shop, "git", "commit", "--quiet", "--all", "-m", "No gifts\n\nApproved-by: Bob <bob@example.com>")
    for page in ("/audit/events", "/audit/events?key=gift-wrapping", "/flags/gift-wrapping/history"):
        text = html.unescape(visitor.get(page).text)
        again, none = text.index("Gifts again"), text.index("No gifts")
        assert "approved by Bob <bob@example.com>" in text[none:again]
        assert "approved by Ann <ann@example.com>" in text[again:]
        assert text.count("approved by") == 2
    flagctl(shop, "publish", "production", "--yes")
    events = html.unescape(visitor.get("/audit/events?env=production").text)
    assert "approved by Bob" in events[events.index("number 2 published") : events.index("No gifts")]


def test_a_remote_that_is_gone_is_told_not_a_failure(visitor, shop):
    import shutil

    shutil.rmtree(shop.parent / "remote")
    assert visitor.get("/environments/production/live").status_code == 200
    assert visitor.get("/audit/events").status_code == 200
    assert visitor.get("/environments/production/published").status_code < 503


def test_what_keeps_several_environments_from_being_read_is_told_once(visitor, shop):
    (shop / "trust.json").unlink()
    page = html.unescape(visitor.get("/audit/events").text)
    assert page.count("cannot be read") == 1
    assert "development, staging and production: the root of trust" in page


# --- texts of others ---


def test_no_text_of_a_file_becomes_markup(shop):
    quoted = json.dumps(EVIL)
    (shop / "evil.yaml").write_text(
        f"kind: flag\nkey: evil\nname: {quoted}\ndescription: {quoted}\nowner: {quoted}\ntags: [{quoted}]\ntype: string\n"
        f"variants: {{a: {quoted}, b: x}}\ndefault: a\ntargets: {{b: [{quoted}]}}\nrules:\n"
        f"  - {{id: r, description: {quoted}, when: [{{attribute: country, operator: equals, value: {quoted}}}], serve: b}}\n"
    )
    (shop / "segments" / "evil-segment.yaml").write_text(
        f"kind: segment\nkey: evil-segment\nname: {quoted}\ndescription: {quoted}\nowner: {quoted}\ninclude: [{quoted}]\n"
    )
    run(shop, "git", "add", ".")
    run(shop, "git", "commit", "--quiet", "-m", EVIL, "--author", "Eve &lt;b&gt;\"' <eve@example.com>")
    with showing(shop, user_header="X-User", trusted_proxies=frozenset({"127.0.0.1"})) as server:
        import httpx

        from tests.simulators.ui_server import csrf_of

        name = "<script>alert(3)</script>\"'>"
        with httpx.Client(base_url=server.url, headers={"X-User": name}, timeout=30) as client:
            first = client.get("/")
            visitor = Visitor(client, csrf_of(first.text))
            pages = [
                visitor.get(path)
                for path in (
                    "/",
                    f"/?q={EVIL}&owner={EVIL}&tag={EVIL}",
                    "/flags/evil",
                    "/flags/evil/history",
                    "/flags/" + EVIL.replace("/", "%2f"),
                    "/edit?path=evil.yaml",
                    f"/edit?path={EVIL}",
                    "/segments",
                    "/segments/evil-segment",
                    "/audit/events",
                    f"/audit?key={EVIL}",
                    f"/play?flag={EVIL}&context={EVIL}&at={EVIL}&revision={EVIL}",
                    f"/environments/production?flag={EVIL}",
                    "/remove/flag/evil",
                )
            ]
            question = {"flag": "evil", "env": "production", "context": json.dumps({"country": EVIL, EVIL: 1})}
            pages.append(visitor.post("/play", question))
            pages.append(visitor.post("/play", question | {"flag": EVIL, "revision": EVIL}))
            pages.append(visitor.post("/new", {"key": EVIL, "owner": EVIL, "description": EVIL, "type": EVIL}))
            form = {"path": "evil.yaml", "text": f"{EVIL}: {EVIL}", "branch": EVIL, "message": EVIL, "base_text": EVIL}
            pages += [
                visitor.post(f"/edit/{verb}", form | {"op": EVIL, "env": EVIL}) for verb in ("step", "check", "save")
            ]
            pages.append(visitor.post("/environments/production/kill", {"flag": EVIL, "confirm": EVIL, "reason": EVIL}))
    for page in pages:
        assert "<script>alert" not in page.text, page.url
        assert "<img src=x" not in page.text, page.url
        assert "Eve <b>" not in page.text, page.url


def test_results_of_an_experiment_have_a_verdict_plots_and_a_report(shop_original, tmp_path):
    events = tmp_path / "events"
    flagctl(shop_original, "experiment", "simulate-events", "ranking-test", "-o", str(events), "--units", "2000")
    with showing(shop_original, events=str(events), experiment_report=lambda result: result.verdict.headline) as server:
        visitor = Visitor.enter(server)
        assert "/experiments/ranking-test/results" in visitor.get("/experiments/ranking-test").text
        page = visitor.get("/experiments/ranking-test/results").text
        assert "keep running" in page.casefold()
        assert "2000" in page
        report = visitor.get("/experiments/ranking-test/report")
        assert report.text in html.unescape(page)
        assert "sandbox" in report.headers["content-security-policy"]
        assert visitor.get("/flags/search-ranking/usage").status_code == 404
        visitor.client.close()
