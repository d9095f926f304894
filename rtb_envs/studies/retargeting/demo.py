"""``rtb demo``: advertisers by the rules compete for customers, in a table that moves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rtb_envs import cli
from rtb_envs.files import check_writable

if TYPE_CHECKING:
    import polars as pl

RULES = ("demo", "strategy")
FOLDER = "episode"
"""Where ``rtb report`` looks for the tables."""
FRAMES = 50
FRAME_SECONDS = 0.06
"""Of a table on a screen: simulated as fast as it can be, the demo would be over before anybody has seen it."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def demo(
    opportunities: Annotated[int, typer.Option(help="Impressions to compete for, at most 20,000.")] = 1_000,
    rules: Annotated[str, typer.Option(metavar="demo|strategy", help="Set of rules that bid.")] = "demo",
    seed: Annotated[int, typer.Option(help="Seed of the market, below 2**32.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the episode there, for rtb report.")] = None,
) -> None:
    """Watch four rules compete for customers, impression by impression."""
    if rules not in RULES:
        raise cli.refuse(f"rules must be {' or '.join(RULES)}, not {rules!r}")
    if not 1 <= opportunities <= 20_000:
        raise cli.refuse(f"opportunities must lie in 1 to 20,000, got {opportunities:,}")
    if not 0 <= seed < 2**32:
        raise cli.refuse(f"seed must lie in 0 to 4,294,967,295, got {seed:,}")
    if out is not None:
        _check_folder(out)
    console = Console(highlight=False) if Console().is_terminal else Console(width=100)
    began = time.perf_counter()
    with console.status("compiling the market"):
        import jax

        from rtb_envs.envs.retargeting import SEAT_STRATEGIES, make_retargeting, scripted_seats
        from rtb_envs.studies.retargeting.recording import Recorder

        market = make_retargeting()
        policies = scripted_seats(len(market.agents), "demo" if rules == "demo" else "strategy")
        every = max(opportunities // FRAMES, 1)
        recorder = Recorder(
            market, policies, SEAT_STRATEGIES, jax.random.key(seed), every=every, opportunities=opportunities
        )
        recorder.compile()
    compiled = time.perf_counter()
    watched = 0.0
    with Live(console=console, auto_refresh=False) as live:
        for rows in recorder.play():
            live.update(_screen(rows, opportunities), refresh=console.is_terminal)
            if console.is_terminal:
                time.sleep(FRAME_SECONDS)
                watched += FRAME_SECONDS
    if not console.is_terminal:
        console.print()  # the live table ends without a line break there
    played = time.perf_counter() - compiled - watched
    pauses = f"slowed down by {watched:.0f} s to be watched, " if watched else ""
    console.print(
        f"{opportunities:,} opportunities in {played:.1f} s ({opportunities / played:,.0f}/s with this table),\n"
        f"{pauses}after {compiled - began:.1f} s of loading and compiling"
    )
    if out is not None:
        with console.status("replaying the episode with ads that nobody sees"):
            recorder.recording().write(out / FOLDER)
        console.print(f"kept in {out}; to see it: rtb report {out}")


def _check_folder(out: Path) -> None:
    """Refuse a folder that the episode cannot be kept in, or that keeps a training's, before anything is played."""
    from rtb_envs.studies.retargeting.tables import TABLES

    if (out / "settings.json").exists():
        raise cli.refuse(f"--out: must be no run of a training, whose own episode would be lost, got {out}")
    try:
        for name in TABLES:
            check_writable(out / FOLDER / f"{name}.parquet")
    except OSError as error:
        raise cli.refuse(f"--out: must be a folder that can be written, got {out}: {error.strerror}") from None


def _screen(rows: pl.DataFrame, opportunities: int) -> Group:
    """The agents in the order of their profit, under how far the episode has come."""
    done, hours = rows["opportunities"][0], rows["hours"][0]
    head = Text(f"opportunity {done:,} of {opportunities:,}   day {int(hours // 24) + 1}, {int(hours % 24):02}:00")
    table = Table(
        title="Retargeting: rules compete for customers",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("rule", no_wrap=True, min_width=12)
    # Of fixed widths, so that the table does not move while its numbers grow; together less than 80 columns.
    for name, width in {
        **{"spend\n($)": 6, "revenue\n($)": 7, "ROAS\n($/$)": 6, "profit\n($)": 7, "wins\n(count)": 7},
        **{"win\nrate\n(%)": 4, "clicks\n(count)": 7, "sales\n(count)": 7, "budget\nleft\n($)": 6},
    }.items():
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for row in sorted(rows.to_dicts(), key=lambda row: row["cost"] - row["revenue"]):
        table.add_row(
            row["policy"],
            f"{row['cost']:,.0f}",
            f"{row['revenue']:,.0f}",
            f"{row['revenue'] / row['cost']:.1f}" if row["cost"] else "–",
            f"{row['revenue'] - row['cost']:,.0f}",
            f"{row['wins']:,}",
            f"{100 * row['wins'] / max(row['bids'], 1):.0f}",
            f"{row['clicks']:,}",
            f"{row['attributed_purchases']:,.0f}",
            f"{row['remaining_budget']:,.0f}",
        )
    return Group(head, ProgressBar(total=opportunities, completed=done, width=60), Text(), table)
