"""``rtb market``: run the study, compare, export, write an article of it, forget it."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from rtb_envs.cli import STOPPED, need_extra, refuse

need_extra("studies", "sqlalchemy", "plotly", "pydantic_settings", "yaml", "psutil")

from pydantic import ValidationError  # noqa: E402

from rtb_envs.files import write_text  # noqa: E402
from rtb_envs.studies.marketplace import inspection  # noqa: E402
from rtb_envs.studies.marketplace.locating import (  # noqa: E402
    DB,
    RESULTS,
    STORE_ERRORS,
    described,
    opened,
    settings_errors,
    store_url,
)
from rtb_envs.studies.marketplace.results import read_results, write_results  # noqa: E402
from rtb_envs.studies.marketplace.settings import Settings, load_settings  # noqa: E402
from rtb_envs.studies.marketplace.validity import is_judged  # noqa: E402

Form = Literal["markdown", "html", "json"]
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
inspection.add_to(app)


@app.callback()
def _market() -> None:
    """Exchange, direct trade or ledger: 30 days of buyers and sellers in three scenarios."""


@app.command()
def run(
    scenario: Annotated[str | None, typer.Option(help="Scenarios, separated by commas: a, b, c.")] = None,
    days: Annotated[int | None, typer.Option(help="Simulated days.")] = None,
    buyers: Annotated[int | None, typer.Option(help="Buyers, with 10 campaigns each.")] = None,
    sellers: Annotated[int | None, typer.Option(help="Sellers.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds.")] = None,
    mock_llm: Annotated[bool | None, typer.Option("--mock-llm/--real-llm", help="Rules or a language model.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="Dollars that the model may cost.")] = None,
    output: Annotated[Path, typer.Option(help="Where the results go; the file's name is the run's.")] = RESULTS,
    db: DB = None,
    acceleration: Annotated[float | None, typer.Option(help="Simulated over real time; no waiting by default.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh the dashboard page during the run.")] = False,
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings.", exists=True, dir_okay=False)] = None,
) -> None:
    """Run the scenarios; what was stopped goes on where it was."""
    flags = {
        "scenarios": scenario, "days": days, "buyers": buyers, "sellers": sellers, "seed": seed, "seeds": seeds,
        "mock_llm": mock_llm, "max_cost": max_cost, "db": db, "time_acceleration": acceleration, "watch": watch or None,
    }  # fmt: skip
    try:
        settings = load_settings(config, **flags)
    except ValidationError as error:
        raise refuse(*settings_errors(error)) from None
    except ValueError as error:
        raise refuse(error) from None
    store = settings.db or store_url(None, output)
    if output.suffix != ".json" or Path(store) in (output, output.with_suffix(".html"), output.with_suffix(".log")):
        raise refuse(f"output must end in .json and be another file than the store, got {str(output)!r}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _log_to(output.with_suffix(".log"))
        with _stopping_in_order():
            _run(settings, output)
    except KeyboardInterrupt:
        logging.info("stopped by the user")
        typer.echo("stopped: the same command goes on from here", err=True)
        raise typer.Exit(STOPPED) from None
    except STORE_ERRORS as error:
        logging.error("refused: %s", described(error))
        raise refuse(described(error)) from None
    logging.info("results written to %s", output)
    typer.echo(f"results: {output}\ndashboard: {output.with_suffix('.html')}")


def _run(settings: Settings, output: Path) -> None:
    from rtb_envs.studies.marketplace.comparison import page
    from rtb_envs.studies.marketplace.whole_run import whole_run

    name = output.stem
    with opened(settings.db or store_url(None, output)) as store:
        logging.info("run %r: %s", name, settings.fingerprint())
        results = whole_run(settings, store, name, dashboard=output.with_suffix(".html") if settings.watch else None)
    write_results(results, output)
    page(results).write(output.with_suffix(".html"))


@app.command()
def compare(
    results: Annotated[Path, typer.Argument(help="Results of a run.")],
    format: Annotated[Form, typer.Option(help="Form.")] = "markdown",
    output: Annotated[Path | None, typer.Option(help="A file instead of the screen.")] = None,
) -> None:
    """Scenarios side by side, validity and hypotheses; exit 1 when 20 or more seeds show an invalid figure."""
    from rtb_envs.studies.marketplace import comparison
    from rtb_envs.studies.marketplace.tables import verdicts

    try:
        document = read_results(results)
    except ValueError as error:
        raise refuse(error) from None
    if format == "html":
        text = comparison.page(document).html()
    else:
        text = comparison.markdown(document) if format == "markdown" else comparison.as_json(document)
    _say("comparison", text, output)
    invalid = [verdict.title for verdict in verdicts(document) if verdict.verdict == "invalid"]
    if invalid and is_judged(document["settings"]["seeds"]):
        typer.echo(f"invalid: {', '.join(invalid)}", err=True)
        raise typer.Exit(1)


@app.command()
def article(
    results: Annotated[Path, typer.Argument(help="Results of a run.")],
    output: Annotated[Path | None, typer.Option(help="A file instead of the screen.")] = None,
) -> None:
    """An article in markdown, every figure from the results."""
    from rtb_envs.studies.marketplace.article import article_of

    try:
        text = article_of(read_results(results))
    except ValueError as error:
        raise refuse(error) from None
    _say("article", text, output)


@app.command()
def export(
    run: Annotated[str, typer.Option(help="The run's name.")],
    output: Annotated[Path, typer.Option(help="A .csv or .parquet file: a row for each market and day.")],
    db: DB = None,
) -> None:
    """Figures by day, for other tools."""
    from rtb_envs.studies.marketplace.exporting import export_days

    if output.suffix not in (".csv", ".parquet"):
        raise refuse(f"output must end in .csv or .parquet, got {str(output)!r}")
    try:
        with opened(store_url(db), read_only=True) as store:
            rows = export_days(store, inspection.known_run(store, run), output)
    except STORE_ERRORS as error:
        raise refuse(described(error)) from None
    typer.echo(f"{rows} rows: {output}")


@app.command()
def reset(
    run: Annotated[str | None, typer.Option(help="The run's name; all runs without it.")] = None,
    db: DB = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a run, or all, from the store."""
    try:
        with opened(store_url(db)) as store:
            if run is not None:
                inspection.known_run(store, run)
            what = f"run {run!r}" if run is not None else f"all {len(store.runs())} runs"
            if not yes and not typer.confirm(f"remove {what} from the store?"):
                raise typer.Exit(1)
            typer.echo(f"runs removed: {store.delete(run)}")
    except STORE_ERRORS as error:
        raise refuse(described(error)) from None


def _say(what: str, text: str, output: Path | None) -> None:
    """Write ``text`` to the screen or to a file."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        write_text(output, text)
    except OSError as error:
        raise refuse(f"output can not be written: {error}") from None
    typer.echo(f"{what}: {output}")


@contextlib.contextmanager
def _stopping_in_order() -> Iterator[None]:
    """Have Ctrl-C and a termination stop what runs inside once; while it then writes what it has, further ones wait."""

    def stop(signum: int, frame: object) -> None:
        for name in before:
            signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    names = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {name: signal.signal(name, stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _log_to(path: Path) -> None:
    """Have a log file beside the results, with times in UTC; keys are never told to it."""
    handler = logging.FileHandler(path, encoding="utf-8")
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger()
    for old in [h for h in logger.handlers if isinstance(h, logging.FileHandler)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # They log whole requests.
    for name in ("httpx", "httpcore", "jax"):
        logging.getLogger(name).setLevel(logging.WARNING)
