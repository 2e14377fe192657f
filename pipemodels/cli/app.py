"""The command's frame: its groups, the options that stand anywhere, and how a function becomes a command."""

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


app = _group("The metadata store of data pipelines: which there are, and every run they made.")
tables = _group("The store's own tables.")
pipelines = _group("Which pipelines there are, and which are active.")
runs = _group("What ran, how long it took and how it ended.")


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipemodels import __version__

        typer.echo(f"pipemodels {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end.")
]


@app.callback()
def _everywhere(
    ctx: typer.Context,
    store: StoreOption = None,
    prefix: PrefixOption = None,
    tz: TimezoneOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = 0,
    version: VersionOption = False,
) -> None:
    ctx.obj = Options(store, prefix, tz, json, verbose)


def _in_group(
    ctx: typer.Context,
    store: StoreOption = None,
    prefix: PrefixOption = None,
    tz: TimezoneOption = None,
    json: JsonOption = False,
    verbose: VerboseOption = 0,
) -> None:
    ctx.obj = Options(store, prefix, tz, json, verbose).over(ctx.obj)


for _name, _subcommands in {"pipelines": pipelines, "runs": runs, "tables": tables}.items():
    _subcommands.callback()(_in_group)
    app.add_typer(_subcommands, name=_name)

_COMMON = [
    parameter
    for parameter in inspect.signature(_in_group, eval_str=True).parameters.values()
    if parameter.name != "ctx"
]
_CONTEXT = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

_Command = Callable[..., Report]


def command(group: typer.Typer, name: str) -> Callable[[_Command], _Command]:
    """Make a function a command. It is given the `Options` first, and what it returns is printed."""

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
        run_command.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # what inspect reads
        run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in named}
        run_command.__doc__ = function.__doc__
        group.command(name)(run_command)
        return function

    return register


def store_command(group: typer.Typer, name: str, *, with_tables: bool = True) -> Callable[[_Command], _Command]:
    """Make a function a command on an open `Store`, given first; its answer is printed when that is closed."""

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
