"""Commands for people who write flags: `validate`, `test`, `eval`, `rule`, `schema`."""

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_codes, complete_environments, complete_flags, complete_schemas
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import Session, joined, now_ms, path_in_git, session_of
from flagctl.cli.summary import MaxChars, OutSummary, append_summary

if TYPE_CHECKING:
    from flagctl.diagnostics import Severity
    from flagctl.ops.validate import ValidateResult

_FINDING_FORMATS = ("full", "concise", "json", "github", "sarif", "junit", "markdown")


def validate(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATHS]...", help="Report only these files, folders or globs.")
    ] = None,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Apply fixes that change nobody's answer.")] = False,
    unsafe_fixes: Annotated[bool, typer.Option("--unsafe-fixes", help="With --fix: apply the others, too.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="CODES", help="Only these codes, e.g. REF,TGT101.", autocompletion=complete_codes),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CODES", help="Not these codes.", autocompletion=complete_codes)
    ] = None,
    pedantic: Annotated[bool, typer.Option("--pedantic", help="Also rules that are off by default.")] = False,
    fail_on: Annotated[str, typer.Option(metavar="SEVERITY", help="error, warning or never.")] = "error",
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 whatever was found.")] = False,
    stdin_filename: Annotated[
        str | None, typer.Option(metavar="PATH", help="Read this file's content from stdin instead.")
    ] = None,
    out_summary: OutSummary = None,
    max_chars: MaxChars = 65_536,
) -> None:
    """Find everything that is wrong with the flag files.

    Exits with 1 if there are errors; warnings alone exit with 0 unless --fail-on warning, and so does everything in SARIF.
    """
    import sys

    from flagctl.errors import UsageError
    from flagctl.ops.validate import ValidateOptions, severity_of, validate_and_fix
    from flagctl.ops.validate import validate as run
    from flagctl.report.markdown import render_findings_markdown

    session = session_of(context)
    form = session.format(*_FINDING_FORMATS)
    threshold = severity_of(fail_on)
    if fix and stdin_filename is not None:
        raise UsageError("--fix and --stdin-filename do not go together")
    if unsafe_fixes and not fix:
        raise UsageError("--unsafe-fixes goes with --fix")
    stdin = None if stdin_filename is None else (stdin_filename, sys.stdin.buffer.read())
    options = ValidateOptions(
        root=session.root,
        now_ms=now_ms(),
        paths=tuple(paths or ()),
        select=joined(select),
        ignore=joined(ignore),
        pedantic=pedantic,
        stdin=stdin,
    )
    result = validate_and_fix(options, unsafe=unsafe_fixes) if fix else run(options)
    if exit_zero:
        threshold = None
    append_summary(out_summary, lambda limit: render_findings_markdown(result, limit))
    if form in {"sarif", "junit"}:
        session.console.result(_for_services(form, session, result, threshold))
    elif form == "markdown":
        session.console.result(render_findings_markdown(result, max_chars))
    else:
        _show_findings(session, result)
    # Who uploads SARIF wants the findings there, not a failed step before the upload.
    if form != "sarif" and result.fails(threshold):
        raise typer.Exit(ExitCode.FINDINGS)


def _for_services(form: str, session: Session, result: "ValidateResult", threshold: "Severity | None") -> str:
    prefix = path_in_git(session.root)
    if form == "junit":
        from flagctl.report.junit import render_findings_junit

        return render_findings_junit(result, threshold, prefix)
    from flagctl.lint import all_rules
    from flagctl.report.sarif import render_findings_sarif

    return render_findings_sarif(result.diagnostics, all_rules(), prefix)


def _show_findings(session: Session, result: "ValidateResult") -> None:
    from flagctl.report.findings import render_concise, render_full, render_github
    from flagctl.report.json_text import render_json
    from flagctl.report.style import one_line
    from flagctl.report.validation import render_clean, render_summary

    console, style = session.console, session.style
    form = session.format(*_FINDING_FORMATS)
    if form == "json":
        console.result(render_json(result))
        return
    if form == "github":
        console.result(render_github(result.diagnostics, path_in_git(session.root)))
    elif form == "concise":
        console.result(render_concise(result.diagnostics, style))
    else:
        console.result(render_full(result.diagnostics, result.source, style))
    for applied in result.applied:
        done = one_line(f"{applied.path}: {applied.title[:1].lower()}{applied.title[1:]} [{applied.code}]")
        console.note(f"{console.error_style.paint('fixed', 'green')} {done}")
    if result.diagnostics:
        console.note(("\n" if form == "full" else "") + render_summary(result, console.error_style))
    else:
        console.note(render_clean(result, console.error_style))


def run_test_files(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATHS]...", help="Only tests in these files, folders or globs.")
    ] = None,
    *,
    run: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Only cases whose `file: name` or flag this matches.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only in this environment.", autocompletion=complete_environments),
    ] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show rules and variants that no test reaches.")] = False,
    threshold: Annotated[
        float | None, typer.Option(metavar="PERCENT", min=0, max=100, help="Fail below this coverage.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="INSTANT", help="Instant of cases without one.")] = None,
) -> None:
    """Run the test cases of *.test.yaml files.

    Exits with 1 if a case failed, with 3 if none ran.
    """
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.testing import TestOptions, run_tests
    from flagctl.report import junit, tests
    from flagctl.report.json_text import render_json

    session = session_of(context)
    form = session.format("full", "concise", "json", "github", "junit")
    options = TestOptions(
        root=session.root,
        now_ms=parse_instant_option(at, now_ms()),
        paths=tuple(paths or ()),
        run=run,
        environments=joined(env),
        coverage=coverage or threshold is not None,
        threshold=threshold,
    )
    result = run_tests(options)
    if form == "json":
        session.console.result(render_json(result))
    elif form == "junit":
        session.console.result(junit.render_tests_junit(result, path_in_git(session.root)))
    elif form == "github":
        session.console.result(tests.render_tests_github(result, path_in_git(session.root)))
    elif form == "concise":
        session.console.result(tests.render_tests_concise(result, session.style))
    else:
        session.console.result(tests.render_tests(result, session.style, verbose=session.verbosity > 0))
    if not result.passed:
        raise typer.Exit(ExitCode.FINDINGS)


def evaluate(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)],
    *,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="Environment.", autocompletion=complete_environments)
    ] = None,
    user: Annotated[
        str | None, typer.Option("--context", metavar="JSON", help="Evaluation context: JSON, @file, or - for stdin.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="INSTANT", help="When, e.g. 2026-12-01T09:00:00Z.")] = None,
    default: Annotated[str | None, typer.Option(metavar="VALUE", help="The caller's default, as JSON.")] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Flags as they were at this git revision.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show every step with the values it saw.")] = False,
) -> None:
    """Evaluate one flag, and say why it answers so."""
    import sys

    from flagctl.ops.contexts import parse_context, parse_default, parse_instant_option
    from flagctl.ops.evaluate import EvaluateOptions, Explained
    from flagctl.ops.evaluate import evaluate as run
    from flagctl.report.explanation import render_evaluation, render_explained

    session = session_of(context)
    session.format("text", "json")
    now = now_ms()
    options = EvaluateOptions(
        root=session.root,
        key=key,
        environment=env,
        context=parse_context(user, sys.stdin.read),
        now_ms=parse_instant_option(at, now),
        check_ms=now,
        default=parse_default(default),
        revision=revision,
    )
    result = run(options)
    for warning in result.warnings:
        session.console.warning(warning)
    if explain:
        session.emit(Explained(result=result), render_explained)
    else:
        session.emit(result, render_evaluation)


def rule(
    context: typer.Context,
    codes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CODE]...", help="Code, beginning of codes, or name.", autocompletion=complete_codes),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="List all rules.")] = False,
) -> None:
    """Explain what a finding means, with a bad and a good example."""
    from flagctl.errors import UsageError
    from flagctl.lint import all_rules
    from flagctl.ops.rules import select_rules
    from flagctl.report.rules import RuleTable, render_rule_table, render_rules

    session = session_of(context)
    rules = all_rules()
    if show_all or (not codes and session.format_option == "json"):
        session.emit(RuleTable(rules=tuple(rules.values())), render_rule_table)
        return
    if not codes:
        raise UsageError("which code?", hint="flagctl rule TGT101, or all: flagctl rule --all")
    session.emit(RuleTable(rules=select_rules(rules, codes)), render_rules)


def schema(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Of the schema.", autocompletion=complete_schemas)
    ] = None,
) -> None:
    """Print a JSON Schema; without a name, list them.

    There is one for each kind of file, and one for each command's JSON output.
    """
    from flagctl.ops.rules import schema_names, schema_text

    session = session_of(context)
    session.console.result("\n".join(schema_names()) if name is None else schema_text(name).rstrip("\n"))
