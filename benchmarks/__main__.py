"""The command line: ``python -m benchmarks``.

Exit codes: 0 done, 1 something that was to be measured failed, 2 wrong arguments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import report
from benchmarks.cases import NUM_ENVS, cases
from benchmarks.process import WorkerError
from benchmarks.readme import BEGIN, renewed
from benchmarks.rtbgym import PeerError
from benchmarks.session import measure
from rtb_envs import validation

QUIET_LOAD_PER_CORE = 0.25
FAILED, REFUSED = 1, 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    repetitions: Annotated[int, typer.Option(help="Turns, at least 5; each times every case once.")] = 5,
    seconds: Annotated[float, typer.Option(help="About how long one repetition takes.")] = 1.0,
    num_envs: Annotated[
        list[int] | None,
        typer.Option(help="Environments in a batch; once for each size.", show_default=", ".join(map(str, NUM_ENVS))),
    ] = None,
    peers: Annotated[
        Path | None, typer.Option(help="Measure RTBGym too, in this virtual environment, made if it does not exist.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the figures to this file, for example docs/benchmark_speed.json.")
    ] = None,
    readme: Annotated[
        Path | None, typer.Option(help="Renew the short table in this file, for example README.md.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
) -> None:
    """Measure how fast the environments, their adapters and the training run on this machine."""
    log = Console(stderr=True, highlight=False, markup=False)
    sizes = sorted(set(num_envs or NUM_ENVS))
    try:
        _check(repetitions, seconds, sizes, write, readme)
    except ValueError as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(REFUSED) from None
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    is_quiet = load <= QUIET_LOAD_PER_CORE * cores
    if not is_quiet:
        log.print(f"warning: load average {load:.2f} on {cores} cores: other programs are running", style="yellow")
    try:
        measured = measure(cases(sizes), repetitions, seconds, peers, log.print)
    except (WorkerError, PeerError) as error:
        log.print(f"error: {error}", style="red")
        raise typer.Exit(FAILED) from None
    # Only now: they load JAX, whose threads should not run beside the measurements.
    from rtb_envs.files import write_json, write_text
    from training.system import describe

    results = {**describe(), "load_average_1min": load, "is_quiet": is_quiet, **measured}
    for grid in report.grids(results):
        if markdown:
            typer.echo(report.markdown(grid))
        else:
            Console().print(report.screen(grid))
    if write is not None:
        write_json(write, results)
        log.print(f"wrote {write}")
    if readme is not None:
        write_text(readme, renewed(readme.read_text(encoding="utf-8"), results))
        log.print(f"wrote {readme}")


def _check(repetitions: int, seconds: float, sizes: list[int], write: Path | None, readme: Path | None) -> None:
    """Raise ValueError for the first argument that is wrong."""
    validation.integer("repetitions", repetitions, 5, 1000)
    validation.number("seconds", seconds, 0.001, 60)
    for size in sizes:
        validation.integer("num_envs", size, 1, 2**24)
    if write is not None and not write.parent.is_dir():
        raise validation.wrong_value("write", "a file in a folder that exists", str(write))
    if readme is not None and (not readme.is_file() or BEGIN not in readme.read_text(encoding="utf-8")):
        raise validation.wrong_value("readme", f"a file with a table after {BEGIN!r}", str(readme))


if __name__ == "__main__":
    app()
