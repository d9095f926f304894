"""``rtb report``: a run's files as a page, pictures and tables."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtb_envs import cli

if TYPE_CHECKING:
    from rtb_envs.studies.report.charts import Section
    from rtb_envs.studies.report.run_files import RunFiles

FORMATS = ("html", "png", "pdf", "svg")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training, or of rtb demo --out.")],
    format: Annotated[
        str, typer.Option(metavar="html|png|pdf|svg", help="One page, or a picture each chart.")
    ] = "html",
    watch: Annotated[bool, typer.Option("--watch", help="Follow a run: a page that is written anew.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="Between two looks at the run, with --watch.")] = 10.0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where to write; RUN/report if left out.")] = None,
) -> None:
    """Report on a run from its files alone; whatever loads a trained policy is a verb of python -m training."""
    if format not in FORMATS:
        raise cli.refuse(f"format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not {format!r}")
    if watch and format != "html":
        raise cli.refuse(f"--watch writes a page: format must be html, not {format!r}")
    if format == "html":
        cli.need_extra("studies", "plotly")
    from rtb_envs.studies.report.run_files import ReportError, read_run

    folder = run / "report" if out is None else out
    try:
        if watch:
            _watch(run, folder, seconds)
        _write(read_run(run), folder, format)
    except ReportError as error:
        raise cli.refuse(error) from None
    except OSError as error:
        raise cli.refuse(f"{error.filename}: {error.strerror}") from None


def _watch(run: Path, folder: Path, seconds: float) -> None:
    """Write the page whenever files of the run have changed, until it is finished.

    Ctrl-C ends it, with a last page that does not load itself anew.
    """
    from rtb_envs.studies.report.run_files import modified, read_run

    seen = None
    try:
        while not (files := read_run(run)).is_finished:
            if (now := modified(run)) != seen:
                written = _page(files, _sections(files), folder, refresh_seconds=max(round(seconds), 1))
                if seen is None:
                    typer.echo(f"{written[-1]} follows the run until it is finished; Ctrl-C ends that")
                seen = now
            time.sleep(seconds)
    except KeyboardInterrupt:
        files = read_run(run)
        _page(files, _sections(files), folder)
        typer.echo("stopped watching; the run itself is not touched")
        raise typer.Exit(cli.STOPPED) from None


def _write(files: RunFiles, folder: Path, format: str) -> None:
    """Write what there is, and say which files."""
    from rtb_envs.studies.report.run_files import ReportError

    sections = _sections(files)
    if not sections:
        raise ReportError(f"{files.path} has nothing to report yet: --watch waits for it")
    written = _page(files, sections, folder) if format == "html" else _pictures(files, sections, folder, format)
    for path in written:
        typer.echo(str(path))


def _sections(files: RunFiles) -> list[Section]:
    from rtb_envs.studies.report import campaigns, learning

    episode = [] if files.episode is None else campaigns.sections(files.episode)
    return learning.sections(files) + episode


def _page(files: RunFiles, sections: list[Section], folder: Path, refresh_seconds: int | None = None) -> list[Path]:
    """Write the page, and the tables of the agents' figures; returns the files."""
    from rtb_envs.studies.report import campaigns, learning
    from rtb_envs.studies.report.html import page

    written = _tables(files, folder)
    path = folder / "report.html"
    lead = learning.lead(files)
    if files.settings is None and files.episode is not None:
        lead = campaigns.lead(files.episode)
    page(f"Run {files.path.resolve().name}", lead, sections, refresh_seconds).write(path)
    return [*written, path]


def _pictures(files: RunFiles, sections: list[Section], folder: Path, format: str) -> list[Path]:
    """Write a picture of each chart, and the tables of the agents' figures; returns the files."""
    from rtb_envs.studies.report.charts import TextTable
    from rtb_envs.studies.report.pictures import write

    charts = [part for section in sections for part in section.parts if not isinstance(part, TextTable)]
    return [*_tables(files, folder), *(write(chart, folder, format) for chart in charts)]


def _tables(files: RunFiles, folder: Path) -> list[Path]:
    from rtb_envs.studies.report.agent_metrics import write_metrics

    folder.mkdir(parents=True, exist_ok=True)
    return [] if files.episode is None else write_metrics(files.episode, folder)
