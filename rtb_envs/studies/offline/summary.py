"""What a study prints to the terminal."""

from __future__ import annotations

import io

import numpy as np

from rtb_envs.studies.offline.comparison import METHODS
from rtb_envs.studies.offline.study import Study
from rtb_envs.studies.offline.verdict import Verdict


def summary(study: Study) -> str:
    """The creatives in the order of their journeys, and the verdict."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"CAC by method, $ a sign-up (budget ${study.settings.budget:,} a day)", title_justify="left")
    table.add_column("creative")
    for method in METHODS:
        table.add_column(method, justify="right")
    table.add_column("win rate, %", justify="right")
    table.add_column("exposures", justify="right")
    for i in study.orders["journeys"]:
        costs = [dollars(study.cac.of[method][0, i]) for method in METHODS]
        win_rate = f"{100 * study.auction.totals.win_rate[i]:.1f}"
        table.add_row(escape(study.items[i].creative_id), *costs, win_rate, f"{study.items[i].frequency:.1f}")
    screen = io.StringIO()
    Console(file=screen, width=100).print(table)
    return screen.getvalue() + "\n" + verdict_sentence(study.verdict)


def verdict_sentence(verdict: Verdict) -> str:
    """The decision and the figures that it rests on."""
    decision = f"Verdict: {verdict.decision}."
    if verdict.same_slate:
        return f"{decision} Both methods choose the same slate."
    middle, low, high = verdict.gain
    return (
        f"{decision} The simulation-aware slate saves {_signed(middle)} a sign-up against Thompson's "
        f"(95 % interval {_signed(low)} to {_signed(high)}) over held-out simulated journeys."
    )


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else ''}${abs(value):,.2f}"


def dollars(value: float) -> str:
    """``value`` with cents, a dash where there is none."""
    return f"{value:,.2f}" if np.isfinite(value) else "–"
