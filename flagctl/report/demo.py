"""The demo as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.demo import ApplicationSaid, CommandEnded, CommandStarted, DemoResult, FileEdited, StepStarted
from flagctl.report.style import Style, plain, wrap

if TYPE_CHECKING:
    from flagctl.ops.demo import DemoEvent


def render_event(event: DemoEvent, style: Style) -> str:
    """Return the text of one event; several lines, or none."""
    match event:
        case StepStarted():
            title = style.paint(f"{event.number}. {event.title}", "bold", "cyan")
            return f"\n{title}\n{wrap(event.text, style.width)}\n"
        case CommandStarted():
            return f"{style.paint('$', 'dim')} {style.paint(plain(event.shown), 'bold')}"
        case CommandEnded():
            code = f"\n(exit code {event.exit_code})" if event.exit_code else ""
            return _indented(event.output + code)
        case FileEdited():
            return _edit(event, style)
        case ApplicationSaid():
            return _application(event, style)
        case DemoResult():
            return _result(event, style)


def _indented(output: str) -> str:
    """Return a command's own output, moved in; it is flagctl's and git's, so its colours are kept."""
    return "\n".join(f"  {line}".rstrip() for line in output.split("\n")) + "\n" if output else ""


def _edit(event: FileEdited, style: Style) -> str:
    old = [line for line in event.old.split("\n") if line not in event.new.split("\n")]
    new = [line for line in event.new.split("\n") if line not in event.old.split("\n")]
    lines = [f"{style.paint('edit', 'dim')} {style.paint(plain(event.path), 'bold')}"]
    lines += [style.paint(f"  - {plain(line.strip())}", "red") for line in old]
    lines += [style.paint(f"  + {plain(line.strip())}", "green") for line in new]
    return "\n".join(lines) + "\n"


def _application(event: ApplicationSaid, style: Style) -> str:
    when = ""
    if event.seconds is not None:
        when = ", before the command had ended" if event.lead >= 0 else f", {-event.lead * 1000:.0f} ms later"
    lines = [style.paint(f"the application{when}:", "magenta")]
    lines += [style.paint(f"  > {plain(line)}", "magenta") for line in event.lines]
    return "\n".join(lines) + "\n"


def _result(result: DemoResult, style: Style) -> str:
    width = max(len(what) for what, _ in result.timings)
    lines = [f"{style.paint(f'Done in {result.seconds:.1f} s', 'bold', 'green')}"]
    lines += [f"  {what.ljust(width)}  {_seconds(seconds)}" for what, seconds in result.timings]
    lines += [
        "",
        style.paint("What to try next", "bold"),
        f"  cd {plain(result.directory)}/shop",
        "  flagctl list                    look around; flagctl show KEY",
        "  flagctl rule --all              everything the check knows",
        "  flagctl graph payments-v2 --impact",
        "  flagctl test --coverage         what no test reaches",
        "  flagctl init my-flags           a repository of your own",
        "",
        f"Everything is in {plain(result.directory)}; delete it when you are done.",
    ]
    return "\n".join(lines)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:6.0f} ms"
