"""The workflows that `flagctl init --ci` writes, and the actions, from a pull request to a publication: every script runs for real."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flagctl.report.markdown import COMMENT_LIMIT
from tests.cli.conftest import git
from tests.simulators.actions import ROOT, Ran, Runner
from tests.simulators.forge import HEAD, Project
from tests.unit.report.formats import checked_junit, checked_sarif


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FLAGCTL_", "GITHUB_", "GIT_", "CI_")):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def ok(ran: Ran | None) -> Ran:
    assert ran is not None, "the job's condition does not hold"
    assert ran.code == 0, ran.log
    return ran


# ------------------------------------------------------------------------------------------------ pull requests


def test_a_pull_request_is_checked_and_its_summary_says_what_it_means(project) -> None:
    ran = ok(project.pull_request().job(project.workflow("flags.yml"), "check"))
    assert "25 % → 40 %" in ran.summary
    assert "<!-- flagctl:validate -->" in ran.summary
    assert "25 %" not in ran.log, "text of flags in the log could be commands to the runner"
    assert "::" not in ran.log


def test_a_pull_request_with_an_error_fails_with_an_annotation(project) -> None:
    project.edit("flags/new-checkout.yaml", "segment: employees", "segment: employes")
    wrong = project.commit("Break it")
    runner = project.push(wrong, project.first)
    ran = runner.job(project.workflow("flags.yml"), "check")
    assert ran is not None
    assert ran.code == 1
    assert "::error file=flags/new-checkout.yaml," in ran.log
    assert "REF102" in ran.summary


def test_the_merge_queue_is_checked_but_not_planned(project) -> None:
    event = {"merge_group": {"base_sha": project.first, "head_sha": project.merge}}
    runner = project.runner(project.merge, "merge_group", event)
    assert "25 % → 40 %" in ok(runner.job(project.workflow("flags.yml"), "check")).summary
    assert runner.job(project.workflow("flags.yml"), "plan", matrix={"environment": "production"}) is None
    assert runner.job(project.workflow("flags-policy.yml"), "policy") is None


def test_without_a_role_a_plan_is_compared_with_the_target_branch(project) -> None:
    runner = project.pull_request()
    ran = ok(runner.job(project.workflow("flags.yml"), "plan", matrix={"environment": "production"}))
    assert "not what is live" in ran.summary
    left = runner.artifacts / "flagctl-plan-production"
    assert json.loads((left / "plan.json").read_text())["risk"] == "medium"
    assert (left / "comment.md").read_text().startswith("<!-- flagctl:plan:production -->\n")


def test_with_a_role_a_plan_is_compared_with_what_is_live_but_not_for_a_fork(project) -> None:
    for fork in (False, True):
        runner = project.pull_request(fork=fork)
        runner.vars = {"FLAGS_PLAN_ROLE": "arn:aws:iam::123456789012:role/plan"}
        ran = ok(runner.job(project.workflow("flags.yml"), "plan", matrix={"environment": "production"}))
        assert ("nothing published yet" in ran.summary) is not fork
        assert ("not what is live" in ran.summary) is fork
        roles = [given["role-to-assume"] for name, given in ran.used if name.startswith("aws-actions/")]
        assert roles == ([] if fork else ["arn:aws:iam::123456789012:role/plan"])


# ------------------------------------------------------------------------------------------------ comments


@pytest.fixture
def planned(project) -> Project:
    """A project whose pull request was planned for two environments."""
    runner = project.pull_request(fork=True)
    for environment in ("staging", "production"):
        ok(runner.job(project.workflow("flags.yml"), "plan", matrix={"environment": environment}))
    return project


def test_each_environment_has_one_comment_which_later_runs_update(planned) -> None:
    runner = planned.after_run()
    ok(runner.job(planned.workflow("flags-comment.yml"), "comment"))
    first = runner.gh["comments"]
    assert sorted(c["body"].splitlines()[0] for c in first) == [
        "<!-- flagctl:plan:production -->",
        "<!-- flagctl:plan:staging -->",
    ]
    assert {c["pull"] for c in first} == {7}
    body = runner.artifacts / "flagctl-plan-staging" / "comment.md"
    body.write_text(body.read_text().replace("Flags in staging", "Flags in staging, again"))
    ok(runner.job(planned.workflow("flags-comment.yml"), "comment"))
    second = runner.gh["comments"]
    assert [c["id"] for c in second] == [c["id"] for c in first]
    assert any("Flags in staging, again" in c["body"] for c in second)


def test_a_comment_of_somebody_else_with_the_marker_is_left_alone(planned) -> None:
    runner = planned.after_run()
    theirs = {"id": 1, "pull": 7, "user": {"login": "eve"}, "body": "<!-- flagctl:plan:production -->\nmine"}
    runner.change_gh(comments=[theirs])
    ok(runner.job(planned.workflow("flags-comment.yml"), "comment"))
    assert runner.gh["comments"][0] == theirs
    assert len(runner.gh["comments"]) == 3


@pytest.mark.parametrize(
    "forged", ["hello\n", "<!-- flagctl:plan:x --> y\n", "<!-- flagctl:plan:x -->\n" + "y" * COMMENT_LIMIT]
)
def test_what_is_not_a_plans_comment_is_not_posted(planned, forged) -> None:
    runner = planned.after_run()
    for folder in runner.artifacts.iterdir():
        (folder / "comment.md").write_text(forged)
    ran = runner.job(planned.workflow("flags-comment.yml"), "comment")
    assert ran is not None
    assert ran.code == 1
    assert runner.gh["comments"] == []


def test_no_comment_is_made_when_the_pull_request_moved_on_or_left_no_plan(planned) -> None:
    runner = planned.after_run()
    runner.change_gh(pulls=[{"number": 7, "head": {"sha": "f" * 40, "owner": "eve", "ref": HEAD}}])
    assert "no open pull request" in ok(runner.job(planned.workflow("flags-comment.yml"), "comment")).log
    runner = planned.after_run()
    runner.change_gh(runs={})
    assert "left no plan" in ok(runner.job(planned.workflow("flags-comment.yml"), "comment")).log
    assert runner.gh["comments"] == []


# ------------------------------------------------------------------------------------------------ publication


def publish(project: Project, runner: Runner, plan: str = "success") -> Ran | None:
    needs = {"plan": {"result": plan}}
    return runner.job(
        project.workflow("flags-publish.yml"), "publish", matrix={"environment": "production"}, needs=needs
    )


def plan(project: Project, runner: Runner) -> Ran:
    return ok(runner.job(project.workflow("flags-publish.yml"), "plan", matrix={"environment": "production"}))


def test_what_is_merged_is_planned_published_and_renewed_daily(project) -> None:
    runner = project.push(project.first, "0" * 40)
    plan(project, runner)
    ran = ok(publish(project, runner))
    assert "production published" in ran.summary
    live = project.live()
    assert (live["seq"], live["commit"], live["drift"]) == (1, project.first, "in-sync")

    daily = project.runner(project.first, "schedule", {})
    daily.secrets = {"FLAGCTL_PUBLISH_KEY": project.key}
    matrix = {"environment": "production"}
    assert daily.job(project.workflow("flags-publish.yml"), "plan", matrix=matrix) is None
    assert "renewed" in ok(publish(project, daily, "skipped")).summary
    assert project.live()["seq"] == 2


def test_nothing_is_published_if_the_plan_failed(project) -> None:
    assert publish(project, project.push(project.first, "0" * 40), "failure") is None


def test_nothing_is_published_if_what_is_live_moved_after_the_plan(project) -> None:
    runner = project.push(project.merge, project.first)
    plan(project, runner)
    project.publish()
    ran = publish(project, runner)
    assert ran is not None
    assert ran.code == 6
    assert "moved since the plan" in ran.log
    assert project.live()["seq"] == 1


def test_an_unprotected_branch_does_not_publish(project) -> None:
    runner = project.push(project.first, "0" * 40)
    plan(project, runner)
    runner.protected = False
    ran = publish(project, runner)
    assert ran is not None
    assert ran.code == 6
    assert "::error title=not a protected branch::" in ran.log
    assert project.live()["state"] == "missing"


# ------------------------------------------------------------------------------------------------ policy


@pytest.fixture
def guarded(project) -> Project:
    """A project whose policy asks for somebody else's approval, with the change merged."""
    config = project.origin / "flagctl.yaml"
    config.write_text(config.read_text() + "policy: {environments: {production: {approvals: {required: 1}}}}\n")
    project.first = project.commit("Ask for approvals")
    project.publish_first()
    git(project.origin, "merge", "--quiet", "--no-ff", "-m", "Raise it", HEAD)
    project.merge = git(project.origin, "rev-parse", "HEAD").strip()
    return project


def review(state: str = "APPROVED") -> dict[str, Any]:
    return {
        "author": {"login": "ben"},
        "authorAssociation": "MEMBER",
        "state": state,
        "submittedAt": "2026-11-20T10:00:00Z",
        "commit": {"oid": "a" * 40},
    }


@pytest.mark.parametrize("reviews", [[], [review()], [review("CHANGES_REQUESTED")]], ids=["none", "yes", "no"])
def test_the_policy_weighs_a_pull_request_with_its_reviews(guarded, reviews) -> None:
    for event_name in ("pull_request", "pull_request_review"):
        runner = guarded.pull_request()
        runner.event_name = event_name
        pull = {"number": 7, "author": {"login": "ada"}, "reviews": reviews, "head": {}}
        runner.change_gh(pulls=[pull])
        runner.event["pull_request"]["number"] = 7
        ran = runner.job(guarded.workflow("flags-policy.yml"), "policy")
        assert ran is not None
        assert ran.code == (0 if reviews == [review()] else 1), ran.log


@pytest.mark.parametrize("reviews", [[], [review()]], ids=["none", "yes"])
def test_publication_hands_the_merged_pull_requests_reviews_to_the_policy(guarded, reviews) -> None:
    runner = guarded.push(guarded.merge, guarded.first)
    pull = {"number": 7, "author": {"login": "ada"}, "reviews": reviews, "merge_commit_sha": guarded.merge}
    runner.change_gh(pulls=[pull])
    plan(guarded, runner)
    ran = publish(guarded, runner)
    assert ran is not None
    assert ran.code == (0 if reviews else 6), ran.log
    assert guarded.live()["commit"] == (guarded.merge if reviews else guarded.first)


# ------------------------------------------------------------------------------------------------ composite actions


def test_the_actions_do_the_same_for_a_pull_request(project) -> None:
    runner = project.pull_request()
    checked = ok(runner.action("validate", {"sarif": "findings.sarif"}))
    assert "25 % → 40 %" in checked.summary
    checked_sarif((runner.workspace / "findings.sarif").read_text())
    planned = ok(runner.action("plan", {"environment": "production", "base": "auto"}))
    assert planned.outputs["changes"] == "true"
    assert planned.outputs["risk"] == "medium"
    assert (runner.artifacts / "flagctl-plan-production" / "plan.json").is_file()
    ok(runner.action("comment", {"pull-request": "7", "folder": planned.outputs["folder"]}))
    (comment,) = runner.gh["comments"]
    assert comment["body"].startswith("<!-- flagctl:plan:production -->")


def test_the_validate_action_uploads_findings_even_if_it_fails(project) -> None:
    project.edit("flags/new-checkout.yaml", "segment: employees", "segment: employes")
    runner = project.push(project.commit("Break it"), project.first)
    ran = runner.action("validate", {"sarif": "findings.sarif", "upload-sarif": "true"})
    assert ran.code == 1
    (sent,) = runner.gh["sarifs"]
    assert sent["ref"] == "refs/heads/main"
    run = checked_sarif(gzip.decompress(base64.b64decode(sent["sarif"])).decode())
    assert [result["ruleId"] for result in run["results"]] == ["REF102"]


def test_the_validate_action_uploads_nothing_for_a_fork(project) -> None:
    runner = project.pull_request(fork=True)
    ok(runner.action("validate", {"sarif": "findings.sarif", "upload-sarif": "true", "diff": "false", "test": "false"}))
    assert runner.gh["sarifs"] == []


def test_the_publish_action_applies_the_plan_actions_plan(project) -> None:
    runner = project.push(project.first, "0" * 40)
    planned = ok(runner.action("plan", {"environment": "production", "artifact": "false"}))
    assert runner.artifacts.exists()
    assert list(runner.artifacts.iterdir()) == []
    saved = str(Path(planned.outputs["folder"]) / "plan.json")
    given = {"environment": "production", "key": project.key, "plan": saved}
    assert "production published" in ok(runner.action("publish", given)).summary
    again = {"environment": "production", "key": project.key, "heartbeat": "true"}
    assert "renewed" in ok(runner.action("publish", again)).summary
    runner.protected = False
    assert runner.action("publish", again).code == 6


def test_the_setup_action_installs_itself_or_a_version(project) -> None:
    runner = project.pull_request()
    ran = ok(runner.action("setup", {}))
    assert ran.outputs["version"].startswith("flagctl 0.")
    ok(runner.action("setup", {"version": "0.1.0"}))
    assert runner.installed == [f"-m pip install --quiet {ROOT}[cli]", "-m pip install --quiet flagctl[cli]==0.1.0"]


def test_inputs_are_never_run(project) -> None:
    evil = "$(touch pwned) `touch pwned` \"; touch pwned; \" '; touch pwned; '\ntouch pwned"
    runner = project.push(project.first, "0" * 40)
    runner.action("plan", {"environment": evil})
    runner.action("publish", {"environment": evil, "key": evil, "plan": evil})
    runner.action("validate", {"fail-on": evil, "root": evil})
    runner.action("comment", {"pull-request": evil, "folder": evil, "author": evil})
    runner.action("setup", {"version": evil})
    assert not (runner.workspace / "pwned").exists()


# ------------------------------------------------------------------------------------------------ the reusable workflow


def test_the_reusable_workflow_checks_plans_and_publishes(project) -> None:
    flow = ROOT / ".github" / "workflows" / "flags.yml"
    inputs = {"environments": '["staging", "production"]', "root": ".", "version": "==0.1.0"}
    given = {"inputs": inputs, "matrix": {"environment": "production"}}
    review = project.pull_request()
    assert "25 % → 40 %" in ok(review.job(flow, "check", **given)).summary
    assert "not what is live" in ok(review.job(flow, "plan", **given)).summary
    assert review.job(flow, "plan-publication", **given) is None
    runner = project.push(project.first, "0" * 40)
    ok(runner.job(flow, "plan-publication", **given))
    ok(runner.job(flow, "publish", **given, needs={"plan-publication": {"result": "success"}}))
    assert project.live()["commit"] == project.first
    assert set(runner.installed) == {"install flagctl[cli]==0.1.0"}


# ------------------------------------------------------------------------------------------------ GitLab


def gitlab(project: Project, job: str, commit: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the script of a job of the GitLab template."""
    runner = project.runner(commit, "", {})
    document = yaml.load((project.origin / ".gitlab" / "flags.gitlab-ci.yml").read_text(), GitlabLoader)  # noqa: S506
    lines = [line for line in document[job]["script"] if isinstance(line, str)]
    tools = f"{runner.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {"HOME": str(runner.folder), "PATH": tools, "CI": "true", "FLAGCTL_ROOT": ".", **variables}
    script = "\n".join(lines)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=runner.workspace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, runner.workspace


class GitlabLoader(yaml.SafeLoader):
    """Knows GitLab's tag for references."""


GitlabLoader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


def test_gitlab_checks_plans_publishes_and_renews(project) -> None:
    done, folder = gitlab(project, "flags:check", project.merge, CI_MERGE_REQUEST_DIFF_BASE_SHA=project.first)
    assert done.returncode == 0, done.stderr
    assert "25 % → 40 %" in (folder / "flags-diff.md").read_text()
    checked_junit((folder / "flags-validate.xml").read_text())
    checked_junit((folder / "flags-test.xml").read_text())
    own = {"FLAGS_ENVIRONMENT": "production", "FLAGCTL_PUBLISH_KEY": project.key}
    done, folder = gitlab(project, "flags:plan", project.merge, **own, CI_MERGE_REQUEST_DIFF_BASE_SHA=project.first)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "plan.json").read_text())["risk"] == "medium"
    done, _ = gitlab(project, "flags:publish", project.first, **own)
    assert done.returncode == 0, done.stderr
    done, _ = gitlab(project, "flags:heartbeat", project.first, **own)
    assert done.returncode == 0, done.stderr
    assert project.live()["seq"] == 2


def test_gitlabs_check_keeps_its_reports_when_it_fails(project) -> None:
    project.edit("flags/api-rate-limit.yaml", "value: 5000", "value: 5001")
    done, folder = gitlab(project, "flags:check", project.commit("Break a test"), CI_COMMIT_BEFORE_SHA=project.first)
    assert done.returncode == 1
    assert checked_junit((folder / "flags-test.xml").read_text()).attrib["failures"] != "0"
