"""The command groups, the options that every command takes, and the decorators that register commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipemodels.cli.options import JsonOption, Options, PrefixOption, StoreOption, TimezoneOption, VerboseOption
from pipemodels.cli.output import Report, emit
from pipemodels.cli.stores import opened
from pipemodels.cli.warnings import show_more

_SETTINGS = {"help_option_names": ["-h", "--help"]}


def _group(help_text: str, **settings: Any) -> typer.Typer:
    return typer.Typer(
        help=help_text, no_args_is_help=True, context_settings=_SETTINGS, pretty_exceptions_enable=False, **settings
    )


app = _group("Metadata store for data pipelines: their definitions, tables and runs.")
tables = _group("Create, inspect and drop the DynamoDB tables of the store.")
pipelines = _group("List, show, activate and deactivate pipelines.")
runs = _group("List, show, draw and count runs; fail runs whose lease has expired.")


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipemodels import __version__

        typer.echo(f"pipemodels {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
]


@app.callback()
def _main_options(
    ctx: typer.Context,
    store: StoreOption = None,
    prefix: PrefixOption = None,
    tz: TimezoneOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = 0,
    version: VersionOption = False,
) -> None:
    ctx.obj = Options(store, prefix, tz, json, verbose)


def _group_options(
    ctx: typer.Context,
    store: StoreOption = None,
    prefix: PrefixOption = None,
    tz: TimezoneOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = 0,
) -> None:
    ctx.obj = Options(store, prefix, tz, json, verbose).over(ctx.obj)


for _name, _subcommands in {"pipelines": pipelines, "runs": runs, "tables": tables}.items():
    _subcommands.callback()(_group_options)
    app.add_typer(_subcommands, name=_name)

_COMMON = [
    parameter
    for parameter in inspect.signature(_group_options, eval_str=True).parameters.values()
    if parameter.name != "ctx"
]
_CONTEXT = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

_Command = Callable[..., Report]


def command(group: typer.Typer, name: str) -> Callable[[_Command], _Command]:
    """Register a function as a command. Its first argument is the `Options`; the report it returns is printed."""

    def register(function: _Command) -> _Command:
        def run_command(ctx: typer.Context, **values: Any) -> None:
            own = Options(**{parameter.name: values.pop(parameter.name) for parameter in _COMMON})
            options = own.over(ctx.obj)
            show_more(options.verbose)
            report = function(options, **values)
            if code := emit(report, as_json=options.json):
                raise typer.Exit(code)

        _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
        named = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*parameters, *_COMMON, _CONTEXT)
        ]
        run_command.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # read by inspect.signature
        run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in named}
        run_command.__doc__ = function.__doc__
        group.command(name)(run_command)
        return function

    return register


def store_command(group: typer.Typer, name: str, *, with_tables: bool = True) -> Callable[[_Command], _Command]:
    """Register a function as a command that gets an open `Store` first; its report is printed once that is closed."""

    def register(function: _Command) -> _Command:
        def on_store(options: Options, **values: Any) -> Report:
            with opened(options, with_tables=with_tables) as store:
                return function(store, **values)

        _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
        first = inspect.Parameter("options", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Options)
        on_store.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
        on_store.__doc__ = function.__doc__
        command(group, name)(on_store)
        return function

    return register
