"""How long the web UI takes with ten thousand flags: first page, search, one flag, playground, checking and saving an edit.

    python benchmarks/bench_ui.py --flags 10000

One process, over HTTP on this machine. Each number is the least and the median of many requests, in milliseconds of wall time.
With ``--chromium`` the first paint is measured in a real browser, too.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for _role in ("AUTHOR", "COMMITTER"):
    os.environ[f"GIT_{_role}_NAME"], os.environ[f"GIT_{_role}_EMAIL"] = "Bench", "bench@example.com"

from tests.simulators.ui_server import UiServer, Visitor, showing  # noqa: E402 - after the path

SEARCHES = ("pay", "checkout", "new rank", "x", "fraud-check", "growth async")


def timed(name: str, count: int, work) -> float:  # noqa: ANN001
    """Measure and print; return the median."""
    work(0)
    times = []
    for number in range(count):
        start = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - start) * 1000)
    median = statistics.median(times)
    print(f"{name:42} least {min(times):8.1f}   median {median:8.1f}   worst {max(times):8.1f} ms")
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the web UI.")
    parser.add_argument("--flags", type=int, default=10_000)
    parser.add_argument("--chromium", action="store_true", help="measure the first paint in Chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "flags"
        generate = Path(__file__).with_name("generate.py")
        subprocess.run(
            [sys.executable, str(generate), str(root), "--flags", str(options.flags), "--git"], check=True, stdout=2
        )
        start = time.perf_counter()
        with showing(root) as server:
            print(f"{'start, all files read':42} {(time.perf_counter() - start) * 1000:14.1f} ms")
            visitor = Visitor.enter(server)
            measure(visitor, root)
            if options.chromium:
                paint(server)


def measure(visitor: Visitor, root: Path) -> None:
    """Measure each kind of request."""
    part = {"hx-request": "true"}
    timed("list, whole page", 20, lambda _: visitor.get("/"))
    timed("search", 60, lambda n: visitor.get("/", params={"q": SEARCHES[n % len(SEARCHES)]}, headers=part))
    timed(
        "filter by state and environment", 20, lambda _: visitor.get("/?state=rolling-out&env=production", headers=part)
    )
    page = visitor.get("/").text
    keys = re.findall(r'<a class="key" href="/flags/([^"]+)"', page)
    timed("one flag", 20, lambda n: visitor.get(f"/flags/{keys[n % len(keys)]}"))
    question = {"env": "production", "context": '{"targeting_key": "user-1", "country": "DE"}'}
    timed("playground", 20, lambda n: visitor.post("/play", {"flag": keys[n % len(keys)], **question}))
    path = next(path.relative_to(root).as_posix() for path in root.rglob(f"{keys[0]}.yaml"))
    sheet = visitor.get("/edit", params={"path": path}).text
    text = html.unescape(re.search(r'<textarea id="text".*?>\n(.*?)</textarea>', sheet, re.DOTALL)[1])
    base = re.search(r'name="base" value="([^"]*)"', sheet)[1]
    form = {"path": path, "base": base, "base_text": text, "where": "other"}
    timed("check an edit", 20, lambda n: visitor.post("/edit/check", {**form, "text": f"{text}# {n}\n"}, headers=part))
    timed("save an edit (a commit on a new branch)", 10, lambda n: saved(visitor, form, text, n))


def saved(visitor: Visitor, form: dict[str, str], text: str, number: int) -> None:
    """Save one edit on a branch of its own."""
    branch = f"bench/{time.time_ns()}"
    answer = visitor.post("/edit/save", {**form, "text": f"{text}# {number}\n", "branch": branch})
    assert answer.status_code == 200, answer.text[-600:]


def paint(server: UiServer) -> None:
    """Measure the first paint of the list."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("FLAGCTL_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(server.entrance)
        times = []
        for _ in range(8):
            page.goto(server.url)
            script = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
            page.wait_for_function(f"() => ({script})() > 0")
            times.append(page.evaluate(script))
        print(
            f"{'first contentful paint in Chromium':42} least {min(times):8.1f}   median {statistics.median(times):8.1f}"
        )
        browser.close()


if __name__ == "__main__":
    main()
