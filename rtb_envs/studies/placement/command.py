"""``rtb placement run|compare|explain SCENARIO.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtb_envs.cli import need_extra, refuse
from rtb_envs.files import check_writable

if TYPE_CHECKING:
    from rtb_envs.studies.placement.scenario import Scenario

app = typer.Typer(
    help="Simulate a publisher's ad placement from a scenario file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
File = Annotated[Path, typer.Argument(metavar="SCENARIO.yaml", help="Policy, auction and fatigue.")]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the results go; must not be there yet.")]


@app.command()
def run(file: File, out: Out = Path("placement")) -> None:
    """Play a scenario: event log, rolling metrics, pressure against revenue, pictures and a page."""
    need_extra("studies", "plotly", "yaml")
    (scenario,) = _read(file)
    _check_new(out)
    from rtb_envs.studies.placement import comparison, report, simulation

    figures = report.write_run(simulation.play(scenario), out)
    rows = [(m.title, report.number(figures[name].estimate), m.unit) for name, m in comparison.MEASURES.items()]
    _print(f"{scenario.name}: what a day brings", ("measure", "estimate", "unit"), rows)
    typer.echo(f"in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


@app.command()
def compare(
    first: File,
    second: Annotated[Path, typer.Argument(metavar="SECOND.yaml", help="What to compare it with.")],
    out: Out = Path("placement-comparison"),
) -> None:
    """Play two scenarios on common random numbers: changes in % with 95 % intervals, a picture and a page."""
    need_extra("studies", "plotly", "yaml")
    base, variant = _read(first, second)
    _check_new(out)
    from rtb_envs.studies.placement import comparison, report, simulation

    errors = [
        f"{second}: {name}: must be {getattr(base, name)}, as in {first}, got {getattr(variant, name)}"
        for name in ("seed", "days", "events")
        if getattr(base, name) != getattr(variant, name)
    ]
    if errors:
        raise refuse(*errors)
    days = simulation.play(base), simulation.play(variant)
    changes = report.write_comparison(*days, out)
    rows = report.comparison_rows(comparison.summary(days[0]), comparison.summary(days[1]), changes)
    header = ("measure", base.name, variant.name, "change (%)", "95 % interval (%)", "unit")
    _print(f"{base.name} and {variant.name}: what a day brings", header, rows)
    typer.echo(f"in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


@app.command()
def explain(
    file: File,
    event: Annotated[int, typer.Option(metavar="T", help="Event of the first day, from 0.")] = 0,
    slot: Annotated[int, typer.Option(metavar="SLOT", help="Slot of the event, from 0.")] = 0,
) -> None:
    """Explain one auction: its eight best candidates with the terms of their scores, and the price."""
    need_extra("studies", "plotly", "yaml")
    (scenario,) = _read(file)
    from rtb_envs.studies.placement import explanation, report

    try:
        told = explanation.explain(scenario, event, slot)
    except ValueError as error:
        raise refuse(error) from None
    if not told["has_user"]:
        typer.echo("nobody is there in this event: no slot can be opened; the auction is the one that would be held")
    opened = "opened" if told["is_open"] else "not opened by the policy"
    title = f"{scenario.name}: event {event}, slot {slot} ({told['slot_type']}, {opened}): {told['reason']}"
    _print(title, report.CANDIDATE_HEADER, report.candidate_rows(told))
    typer.echo(report.auction_terms(told))


def _read(*files: Path) -> list[Scenario]:
    """The scenarios; every error of every file at once."""
    from rtb_envs.studies.placement.scenario import ScenarioError, read_scenario

    scenarios, errors = [], []
    for file in files:
        try:
            scenarios.append(read_scenario(file))
        except ScenarioError as error:
            errors += error.errors
    if errors:
        raise refuse(*errors)
    return scenarios


def _check_new(out: Path) -> None:
    """Refuse a folder that cannot be made now, before anything is played."""
    try:
        if out.exists() or out.is_symlink():
            raise refuse(f"--out: must not be there yet, got {out}")
        if not out.absolute().parent.is_dir():
            raise refuse(f"--out: its folder must be there, got {out}")
        check_writable(out)
    except OSError as error:
        raise refuse(f"--out: must be a folder that can be made, got {out}: {error.strerror}") from None


def _print(title: str, header: Any, rows: Any) -> None:
    import sys

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD)
    for index, name in enumerate(header):
        table.add_column(escape(name), justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    (Console() if sys.stdout.isatty() else Console(width=120)).print(table)
