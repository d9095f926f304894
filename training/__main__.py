"""The command line: ``python -m training train``, ``evaluate`` and ``ab``.

Exit codes: 0 done, 2 wrong settings or a folder that cannot serve (one line says why), 130 stopped by the user with
everything saved.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

REFUSED, STOPPED = 2, 130
FILE_WIDTH = 120

app = typer.Typer(
    help="Train agents through a curriculum of markets, and evaluate them in held-out ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


# Numbers come as text, so that the settings' own checks refuse a wrong one in the same words wherever it came from.
@app.command()
def train(
    curriculum: Annotated[str | None, typer.Option(metavar="1|2|3", help="Train stages 1 to this one.")] = None,
    env: Annotated[str | None, typer.Option(metavar="ID", help="Environment id.")] = None,
    algo: Annotated[str | None, typer.Option(metavar="NAME", help="Learning algorithm.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="INTEGER", help="Seed of the training.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file of settings.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the run goes.")] = None,
    set: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Any setting, such as stage1.iterations=5.")
    ] = None,
) -> None:
    """Train an agent; the same command goes on with a run that was interrupted."""
    given = {"curriculum": curriculum, "env": env, "algo": algo, "seed": seed, "out": out}
    with _refusals():
        from training import commands, loading

        settings = loading.load({name: value for name, value in given.items() if value is not None}, config, set or [])
        if not commands.train(settings, _console()):
            raise typer.Exit(STOPPED)


@app.command()
def evaluate(run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]) -> None:
    """Evaluate the best policy of a run against the rules, and write its results and pictures anew."""
    with _refusals():
        from training import commands

        commands.evaluate(run, _console())


@app.command()
def ab(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="The folder of another.")],
) -> None:
    """Compare what two runs have trained, a learner or a team each, in the same held-out episodes."""
    with _refusals():
        from training import ab as comparison

        comparison.ab(first, second, _console())


@app.command()
def ablation(
    seeds: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Seeds of the training, 0 to N - 1.")] = 5,
    preset: Annotated[str, typer.Option(metavar="quick|full", help="The team's configuration.")] = "quick",
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where runs and results go.")] = None,
) -> None:
    """Compare teams that train through the curriculum with teams that train in its last stage alone.

    The same command goes on with what was interrupted; finished runs are kept.
    """
    with _refusals():
        from training import ablation as comparison

        if not comparison.ablation(seeds, preset, out or Path("runs", f"ablation-{preset}"), _console()):
            raise typer.Exit(STOPPED)


def _console() -> Console:
    """The screen; where output goes to a file, wide enough for the tables."""
    return Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)


@contextmanager
def _refusals() -> Iterator[None]:
    """Errors that a user can mend, as one line."""
    from training.loading import ConfigurationError
    from training.run import RunError

    try:
        yield
    except (ConfigurationError, RunError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(REFUSED) from None


if __name__ == "__main__":
    app()
