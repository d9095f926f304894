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

if TYPE_CHECKING:
    import polars as pl

RULES = ("demo", "strategy")
FRAMES = 50

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def demo(
    opportunities: Annotated[int, typer.Option(help="Impressions to compete for, at most 20,000.")] = 1_000,
    rules: Annotated[str, typer.Option(metavar="demo|strategy", help="Set of rules that bid.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the episode there, for rtb report.")] = None,
) -> None:
    """Watch four rules compete for customers, impression by impression."""
    if rules not in RULES:
        raise cli.refuse(f"rules must be {' or '.join(RULES)}, not {rules!r}")
    if not 1 <= opportunities <= 20_000:
        raise cli.refuse(f"opportunities must lie in 1 to 20,000, got {opportunities:,}")
    console = Console() if Console().is_terminal else Console(width=100)
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
    with Live(console=console, refresh_per_second=20) as live:
        for rows in recorder.play():
            live.update(_screen(rows, opportunities))
    played = time.perf_counter() - compiled
    console.print(
        f"{opportunities:,} opportunities in {played:.1f} s ({opportunities / played:,.0f}/s with this table), "
        f"after {compiled - began:.1f} s of loading and compiling"
    )
    if out is not None:
        recorder.recording().write(out / "episode")
        console.print(f"kept in {out}: rtb report {out}")


def _screen(rows: pl.DataFrame, opportunities: int) -> Group:
    """The agents in the order of their profit, under how far the episode has come."""
    done, hours = rows["opportunities"][0], rows["hours"][0]
    head = Text(f"opportunity {done:,} of {opportunities:,}   day {int(hours // 24) + 1}, {int(hours % 24):02}:00")
    table = Table(
        title="Retargeting: rules compete for customers", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("rule", no_wrap=True, min_width=12)
    for name in (
        *("spend\n($)", "revenue\n($)", "ROAS\n($/$)", "profit\n($)", "wins\n(number)", "win rate\n(%)"),
        *("clicks\n(number)", "purchases\n(number)", "budget\nleft ($)"),
    ):
        table.add_column(name, justify="right", no_wrap=True)
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
