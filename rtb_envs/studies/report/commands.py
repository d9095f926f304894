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
    watch: Annotated[bool, typer.Option("--watch", help="Write the page anew while the run goes on.")] = False,
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
        files = read_run(run)
        while watch and not files.is_finished:
            _write(files, folder, format, refresh_seconds=max(round(seconds), 1))
            time.sleep(seconds)
            files = read_run(run)
        _write(files, folder, format)
    except ReportError as error:
        raise cli.refuse(error) from None
    except OSError as error:
        raise cli.refuse(f"{error.filename}: {error.strerror}") from None


def _write(files: RunFiles, folder: Path, format: str, refresh_seconds: int | None = None) -> None:
    """Write what there is, and say which files."""
    from rtb_envs.studies.report import campaigns, learning
    from rtb_envs.studies.report.agent_metrics import write_metrics
    from rtb_envs.studies.report.run_files import ReportError

    sections = learning.sections(files)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    if files.episode is not None:
        sections += campaigns.sections(files.episode)
        written += write_metrics(files.episode, folder)
    if not sections and refresh_seconds is None:
        raise ReportError(f"{files.path} has nothing to report yet: --watch waits for it")
    if format == "html":
        from rtb_envs.studies.report.html import page

        path = folder / "report.html"
        lead = learning.lead(files)
        if files.settings is None and files.episode is not None:
            lead = campaigns.lead(files.episode)
        page(f"Run {files.path.resolve().name}", lead, sections, refresh_seconds).write(path)
        written.append(path)
    else:
        written += _pictures(sections, folder, format)
    for path in written:
        typer.echo(str(path))


def _pictures(sections: list[Section], folder: Path, format: str) -> list[Path]:
    from rtb_envs.studies.report.charts import TextTable
    from rtb_envs.studies.report.pictures import write

    charts = [part for section in sections for part in section.parts if not isinstance(part, TextTable)]
    return [write(chart, folder, format) for chart in charts]
