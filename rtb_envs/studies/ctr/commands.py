"""``rtb ctr``: from a click log to the contexts that environments sample from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rtb_envs import cli

if TYPE_CHECKING:
    from rtb_envs.studies.ctr.model import Metrics

app = typer.Typer(
    help="Predict click rates from a log of impressions (Avazu's, or a synthetic one).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

HELP_TO_FETCH = """\
Avazu's log is on Kaggle, under the terms of its contest; this package neither holds nor downloads it.

  1. Join https://www.kaggle.com/c/avazu-ctr-prediction (accept the rules).
  2. Download train.gz there (about 1.1 GB, 5.9 GB unpacked, 40,428,967 rows), or with Kaggle's own client:
         kaggle competitions download -c avazu-ctr-prediction -f train.gz
  3. rtb ctr convert train.gz avazu.parquet --rows 1000000
     rtb ctr train avazu.parquet model
     rtb ctr pool avazu.parquet model pool.npz

convert reads .csv, .gz and .zip; without --rows it keeps all rows. Without the download, rtb ctr generate log.csv
makes a synthetic log with the same columns."""

Log = Annotated[Path, typer.Argument(metavar="LOG", help="A converted log (.parquet).")]


@app.command("fetch-help")
def fetch_help() -> None:
    """Say where Avazu's log is found and what to do with it."""
    typer.echo(HELP_TO_FETCH)


@app.command()
def generate(
    target: Annotated[Path, typer.Argument(metavar="CSV", help="File to write; packed if it ends in .gz.")],
    rows: Annotated[int, typer.Option(help="Impressions, at least 240.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random in it.")] = 0,
) -> None:
    """Write a synthetic log with the columns of Avazu's."""
    with _refusals():
        from rtb_envs.studies.ctr.generator import generate as write

        with Console(stderr=True).status("generating") as status:
            write(target, rows, seed, lambda done: status.update(f"{done:,} of {rows:,} impressions written"))
        typer.echo(f"{target}: {rows:,} impressions, {_megabytes(target.stat().st_size)}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="CSV", help="Avazu's train or test: .csv, .gz or .zip.")],
    target: Annotated[Path, typer.Argument(metavar="LOG", help="File to write (.parquet).")],
    rows: Annotated[int | None, typer.Option(help="Keep a sample of so many rows, over all days.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the file at its first malformed row.")] = False,
) -> None:
    """Convert a log from CSV to Parquet; malformed rows are counted and left out."""
    with _refusals():
        from rtb_envs.studies.ctr import conversion

        with cli.stopped_by_sigterm(), Console(stderr=True).status(f"converting {source}"):
            done = conversion.convert(source, target, rows, strict)
        clicks = "" if done.has_clicks else ", without clicks"
        typer.echo(
            f"{target}: {done.rows_written:,} of {done.rows_read:,} rows{clicks}, {_megabytes(done.bytes_written)}"
        )
        if done.ignored_columns:
            typer.echo(f"columns that are none of Avazu's were left out: {', '.join(done.ignored_columns)}", err=True)
        if done.malformed:
            share = 100 * done.malformed / done.rows_read
            typer.echo(
                f"{done.malformed:,} malformed rows ({share:.2g} %) were left out, {done.miscounted:,} of them for "
                "their number of fields; the first:",
                err=True,
            )
            for reason in done.reasons:
                typer.echo(f"  {reason}", err=True)


@app.command()
def train(
    log: Log,
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder for the model and its metrics.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of LightGBM.")] = 0,
) -> None:
    """Fit LightGBM to the earlier 80 % of a log, and judge it on the later 20 %."""
    cli.need_extra("ctr", "lightgbm")
    with _refusals():
        from rtb_envs.studies.ctr import model

        with Console(stderr=True).status(f"fitting to {log}"):
            metrics = model.train(log, folder, seed)
        Console().print(_table(metrics))
        typer.echo(f"{folder}: model.txt, categories.json, metrics.json, importance.png")


@app.command()
def pool(
    log: Log,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model.")],
    target: Annotated[Path, typer.Argument(metavar="POOL", help="File to write (.npz).")],
    contexts: Annotated[int, typer.Option(help="Contexts in the pool.")] = 16_384,
    non_clicks_kept: Annotated[
        float, typer.Option(help="Share of the non-clicks in the log; below 1, click rates are corrected for it.")
    ] = 1.0,
) -> None:
    """Write impressions of a log with their predicted click rates, for environments to sample from."""
    cli.need_extra("ctr", "lightgbm")
    with _refusals():
        from rtb_envs.studies.ctr.pool import make_pool

        mean = make_pool(log, model, target, contexts, non_clicks_kept)
        typer.echo(f"{target}: {contexts:,} contexts, mean click rate {100 * mean:.2f} %")


def _table(metrics: Metrics) -> Table:
    table = Table(title="Click model on the later hours of the log", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("measure")
    table.add_column("value", justify="right")
    rows = {
        "AUC": f"{metrics.auc:.4f}",
        "logloss (nats an impression)": f"{metrics.logloss:.4f}",
        "logloss of the click rate alone": f"{metrics.base_logloss:.4f}",
        "mean prediction (%)": f"{100 * metrics.mean_prediction:.2f}",
        "click rate (%)": f"{100 * metrics.click_rate:.2f}",
        "best iteration (trees)": f"{metrics.best_iteration}",
        "impressions fitted": f"{metrics.rows_fitted:,}",
        "impressions judged": f"{metrics.rows_judged:,}",
        "first hour judged (YYMMDDHH)": f"{metrics.first_hour_judged}",
    }
    for row in rows.items():
        table.add_row(*row)
    return table


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def _refusals() -> Iterator[None]:
    """Errors that a user can mend, as one line."""
    from rtb_envs.studies.ctr.avazu import LogError

    try:
        yield
    except LogError as error:
        raise cli.refuse(error) from None
    except OSError as error:
        raise cli.refuse(f"{error.filename}: {error.strerror}") from None
