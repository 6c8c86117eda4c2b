from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from flagctl.errors import UsageError
from flagctl.server.ui.options import UiOptions, User
from flagctl.server.ui.pages import ROUTES
from flagctl.server.ui.run import RunOptions, check_options, start_address
from flagctl.server.web.serving import Listen
from tests.simulators.ui_server import TOKEN, Visitor, csrf_of, showing

PAGES = (
    "/",
    "/flags/new-checkout-flow",
    "/flags/new-checkout-flow/history",
    "/play",
    "/new",
    "/edit?path=checkout/gift-wrapping.yaml",
    "/remove/flag/gift-wrapping",
    "/segments",
    "/segments/employees",
    "/experiments",
    "/experiments/ranking-test",
    "/experiments/ranking-test/power?rate=5",
    "/experiments/ranking-test/stop",
    "/experiments/winback-offer-test/start",
    "/experiments/ranking-test/amend",
    "/experiment/new",
    "/layers/homepage",
    "/layers/homepage/unit?unit=user-1",
    "/layers/homepage/holdout",
    "/environments",
    "/environments/production",
    "/environments/production/live",
    "/environments/production/published",
    "/environments/production/plan",
    "/audit",
    "/audit/events",
)
_KEYS = {"flags": "gift-wrapping", "experiments": "ranking-test", "layers": "homepage", "segments": "employees"}


def filled(path: str) -> str:
    """Return the address of a page of something that is there."""
    key = _KEYS.get(path.split("/")[1], "gift-wrapping")
    return path.format(key=key, env="production", kind="flag", move="hold")


CHANGES = tuple(filled(page.path) for page in ROUTES if page.method == "POST")
REFUSED = tuple(filled(page.path) for page in ROUTES if page.changes)


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_the_token(shared_server, path):
    answer = httpx.get(shared_server.url + path)
    assert answer.status_code == 401
    assert "gift-wrapping" not in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown_with_the_policy_of_no_foreign_and_no_inline_code(guest, path):
    answer = guest.get(path)
    assert answer.status_code == 200, answer.text[-600:]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert not [part for part in answer.text.split("<script")[1:] if not part.startswith(" src=")]
    assert " onclick" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


def test_the_token_becomes_a_cookie_that_scripts_cannot_read_and_leaves_the_address(shared_server):
    answer = httpx.get(f"{shared_server.url}/flags/gift-wrapping?x=1&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/flags/gift-wrapping?x=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é"])
def test_a_wrong_token_opens_nothing(shared_server, token):
    answer = httpx.get(shared_server.url, params={"token": token} if token else None)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_path_with_two_slashes_leads_to_no_other_host(shared_server):
    answer = httpx.get(f"{shared_server.url}//evil.example/?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/"


@pytest.mark.parametrize("cookie", ["x.y", "", "a.b.c", "." * 50])
def test_a_made_up_cookie_opens_nothing(shared_server, cookie):
    port = shared_server.url.rpartition(":")[2]
    answer = httpx.get(shared_server.url, headers={"cookie": f"flagctl-ui-{port}={cookie}"})
    assert answer.status_code == 401


def test_the_token_can_be_pasted(shared_server):
    assert httpx.post(f"{shared_server.url}/login", data={"token": "nonsense"}).status_code == 401
    answer = httpx.post(f"{shared_server.url}/login", data={"token": f" {TOKEN} "})
    assert answer.status_code == 303
    assert "set-cookie" in answer.headers


@pytest.mark.parametrize("path", CHANGES)
def test_no_form_counts_without_its_code(guest, path):
    for code in ("", "0" * 64, "é"):
        answer = guest.client.post(path, data={"csrf": code, "path": "checkout/gift-wrapping.yaml", "text": "x"})
        assert answer.status_code == 403


def test_a_code_of_another_session_does_not_count(shared_server, guest):
    other = Visitor.enter(shared_server)
    assert other.csrf != guest.csrf
    assert guest.client.post("/play", data={"csrf": other.csrf}).status_code == 403
    other.client.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_change_that_another_page_asks_for_is_refused_even_with_the_code(guest, headers):
    answer = guest.post("/play", {"flag": "gift-wrapping", "env": "production"}, headers=headers)
    assert answer.status_code == 403


def test_a_change_of_our_own_page_counts(guest, shared_server):
    headers = {"origin": shared_server.url, "sec-fetch-site": "same-origin"}
    answer = guest.post("/play", {"flag": "gift-wrapping", "env": "production"}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""])
def test_other_host_names_get_nothing(shared_server, host):
    answer = httpx.get(f"{shared_server.url}/?token={TOKEN}", headers={"host": host})
    assert answer.status_code in {400, 421}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/none.js"]
)
def test_static_files_are_those_and_no_others(shared_server, path):
    assert httpx.get(shared_server.url + path).status_code in {401, 404}


def test_static_files_need_no_token(shared_server):
    for name in ("ui.css", "ui.js", "theme.js", "htmx.min.js", "flag.svg"):
        assert httpx.get(f"{shared_server.url}/static/{name}").status_code == 200
    assert httpx.get(f"{shared_server.url}/healthz").text == "ok"


@pytest.mark.parametrize(
    "path",
    [
        "../flagctl.yaml",
        "/etc/passwd.yaml",
        "checkout/../../x.yaml",
        ".git/config.yaml",
        "..\\x.yaml",
        "checkout/gift-wrapping.txt",
        "",
    ],
)
def test_the_editor_reads_and_writes_flag_files_only(visitor, shop, path):
    before = {file: file.read_bytes() for file in shop.parent.rglob("*") if file.is_file() and ".git" not in file.parts}
    assert visitor.get("/edit", params={"path": path}).status_code in {400, 404}
    form = {"path": path, "text": "kind: flag\nkey: x\n", "base": "new", "branch": "b", "where": "other"}
    assert visitor.post("/edit/save", form).status_code in {400, 404}
    after = {file: file.read_bytes() for file in shop.parent.rglob("*") if file.is_file() and ".git" not in file.parts}
    assert after == before


def test_a_value_of_a_rule_reads_no_file(visitor, shop):
    secret = shop.parent / "secret.yaml"
    secret.write_text("treasure")
    form = {
        "path": "checkout/gift-wrapping.yaml",
        "text": (shop / "checkout/gift-wrapping.yaml").read_text(),
        "op": "add-rule",
        "rule-id": "r",
        "rule-serve": "on",
        "rule-attribute": "country",
        "rule-operator": "equals",
        "rule-value": f"@{secret}",
    }
    answer = visitor.post("/edit/step", form)
    assert "treasure" not in answer.text


def test_a_read_only_ui_changes_nothing(shop):
    with showing(shop, read_only=True) as server:
        visitor = Visitor.enter(server)
        page = visitor.get("/flags/gift-wrapping")
        assert "read-only" in page.text
        assert ">Edit<" not in page.text
        assert "Force off" not in visitor.get("/environments/production").text
        for path in CHANGES:
            answer = visitor.post(path, {"flag": "gift-wrapping", "path": "checkout/gift-wrapping.yaml", "text": "x"})
            if path not in REFUSED:
                assert answer.status_code != 403
            else:
                assert answer.status_code == 403
                assert "read-only" in answer.text
        visitor.client.close()


def test_a_form_that_is_none_or_too_long_is_refused(guest):
    headers = {"x-csrf-token": guest.csrf}
    assert guest.client.post("/play", json={"flag": "x"}, headers=headers).status_code == 400
    assert guest.client.post("/play", content=b"a=" + b"x" * 5_000_000, headers=headers).status_code == 413
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert guest.client.post("/play", content="a=\xff".encode("latin-1"), headers=headers | kind).status_code == 400
    assert guest.client.post("/play", content="a&" * 3000, headers=headers | kind).status_code == 400


# --- behind a proxy ---

PROXY = {
    "user_header": "X-Forwarded-User",
    "email_header": "X-Forwarded-Email",
    "trusted_proxies": frozenset({"127.0.0.1"}),
    "public_url": "https://flags.example.com/ui",
}


def test_behind_a_proxy_the_header_says_who_asks(shop):
    with showing(shop, **PROXY) as server:
        names = {"X-Forwarded-User": "ada", "X-Forwarded-Email": "ada@example.com", "host": "flags.example.com"}
        with httpx.Client(base_url=server.url, headers=names, timeout=30) as client:
            page = client.get("/ui/flags/gift-wrapping")
            assert page.status_code == 200
            assert "ada" in page.text
            assert 'href="/ui/play?flag=gift-wrapping"' in page.text
            assert client.get("/flags/gift-wrapping").status_code == 200  # the proxy may take the path off
            text = (shop / "checkout/gift-wrapping.yaml").read_text()
            form = {
                "csrf": csrf_of(page.text),
                "path": "checkout/gift-wrapping.yaml",
                "text": text.replace("default: off", "default: on", 1),
                "base": server.desk.repository().digest("checkout/gift-wrapping.yaml"),
                "where": "other",
                "branch": "ada/gifts",
            }
            answer = client.post("/ui/edit/save", data=form, headers={"origin": "https://flags.example.com"})
            assert answer.status_code == 200, answer.text[-800:]
            info = server.desk.git().info("ada/gifts")
            assert (info.author, info.email) == ("ada", "ada@example.com")
            refused = client.post("/ui/edit/save", data=form, headers={"origin": "https://evil.example"})
            assert refused.status_code == 403


def test_behind_a_proxy_nobody_comes_in_without_a_name_or_from_elsewhere(shop):
    with showing(shop, **PROXY) as server:
        assert httpx.get(f"{server.url}/ui/?token={TOKEN}").status_code == 401
        assert httpx.get(server.url, headers={"X-Forwarded-User": "ada", "host": "evil.example"}).status_code == 421
    with showing(shop, **(PROXY | {"trusted_proxies": frozenset({"192.0.2.7"})})) as server:
        assert httpx.get(f"{server.url}/ui/", headers={"X-Forwarded-User": "ada"}).status_code == 403


@pytest.mark.parametrize(
    ("ui", "listen"),
    [
        ({}, {"host": "0.0.0.0"}),  # noqa: S104 - refused, that is the test
        ({"user_header": "X-User"}, {}),
        ({"trusted_proxies": frozenset({"127.0.0.1"})}, {}),
        ({"population": Path("nobody.jsonl")}, {}),
    ],
)
def test_options_that_would_let_strangers_in_or_cannot_work_are_refused(shop_original, ui, listen):
    with pytest.raises(UsageError):
        check_options(RunOptions(ui=UiOptions(root=shop_original, **ui), listen=Listen(**listen)))


def test_the_first_address_has_the_token_unless_a_proxy_says_who_asks(shop_original):
    alone = UiOptions(root=shop_original, token="t", root_path="/ui")  # noqa: S106 - of a test
    assert start_address(alone, "http://127.0.0.1:1") == "http://127.0.0.1:1/ui/?token=t"
    assert start_address(UiOptions(root=shop_original, **PROXY), "x") == "https://flags.example.com/ui/"


@pytest.mark.parametrize(
    ("user", "author"),
    [
        (User(), None),
        (User(name="ada"), "ada <ada@localhost>"),
        (User(name="ada@example.com"), "ada <ada@example.com>"),
        (User(name="ada", email="a@example.com"), "ada <a@example.com>"),
        (User(name="a<b>\nc", email="x\n<y>"), "abc <xy>"),
        (User(name="<>"), "unknown <@localhost>"),
    ],
)
def test_a_user_is_an_author_that_git_takes(user, author):
    assert user.author == author
