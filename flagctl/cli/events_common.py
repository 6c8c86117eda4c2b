"""What all commands have in common that read the events of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperOption

from flagctl.cli.commands import Command
from flagctl.cli.session import now_ms, session_of

if TYPE_CHECKING:
    from flagctl.cli.progress import Stage
    from flagctl.ops.experiment_analyze import AnalyzeOptions

_META = "flagctl.events"
_VARIABLE = "FLAGCTL_EVENTS"
_EVENTS_HELP = "Folder or s3:// location that sinks write to."
_AS_OF_HELP = "Count events up to here [default: now]."
_ENV_HELP = "Count events of this environment only."
_MEMORY_HELP = "DuckDB's limit; the rest goes to disk [default: 2.5GB, or half of what there is]."
_ENDPOINT_HELP = "Address of an S3-compatible store."
_REGION_HELP = "Region of the store."

Events = Annotated[str, typer.Option(metavar="LOCATION", envvar=_VARIABLE, help=_EVENTS_HELP)]
AsOf = Annotated[str | None, typer.Option(metavar="INSTANT", help=_AS_OF_HELP)]
Env = Annotated[str | None, typer.Option(metavar="NAME", help=_ENV_HELP)]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help=_MEMORY_HELP)]
Endpoint = Annotated[str | None, typer.Option(metavar="URL", help=_ENDPOINT_HELP)]
Region = Annotated[str | None, typer.Option(metavar="NAME", help=_REGION_HELP)]


def _store(context: Any, parameter: Any, value: Any) -> Any:
    context.meta.setdefault(_META, {})[parameter.name] = value
    return value


def _option(*declarations: str, **settings: Any) -> TyperOption:
    return TyperOption(param_decls=list(declarations), expose_value=False, callback=_store, **settings)


class EventsCommand(Command):
    """A command about an experiment's events, with the options that say where they are and what reads them."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        own = [
            _option("--events", metavar="LOCATION", envvar=_VARIABLE, required=True, help=_EVENTS_HELP),
            _option("--as-of", metavar="INSTANT", help=_AS_OF_HELP),
            _option("--env", metavar="NAME", help=_ENV_HELP),
            _option(
                "--engine", metavar="NAME", default="duckdb", help="duckdb, or spark when data outgrow one machine."
            ),
            _option("--master", metavar="URL", help="Of Spark, such as local[2]."),
            _option("--memory-limit", metavar="SIZE", help=_MEMORY_HELP),
            _option("--endpoint-url", metavar="URL", help=_ENDPOINT_HELP),
            _option("--region", metavar="NAME", help=_REGION_HELP),
        ]
        at = len(self.params) - len(self.global_options)
        self.params[at:at] = own


def reading(
    context: typer.Context, key: str, stage: Stage, *, details: bool = False, revision: str | None = None
) -> AnalyzeOptions:
    """Return where the events of an experiment are and what reads them, as an `EventsCommand`'s options say.

    Args:
        context: Of the command.
        key: The experiment, or a layer.
        stage: Is told what is done.
        details: Whether days, ages and parts are computed.
        revision: Git revision to read the experiment from.

    Raises:
        UsageError: If the instant is none.
    """
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_analyze import AnalyzeOptions

    given: dict[str, Any] = context.meta[_META]
    return AnalyzeOptions(
        root=session_of(context).root,
        key=key,
        events=given["events"],
        now_ms=parse_instant_option(given["as_of"], now_ms()),
        environment=given["env"],
        revision=revision,
        engine=given["engine"],
        master=given["master"],
        memory_limit=given["memory_limit"],
        endpoint_url=given["endpoint_url"],
        region=given["region"],
        details=details,
        progress=stage,
    )
