"""Plays a scenario: its days, one of them event by event, and what they brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rtb_envs.envs.ad_placement import REASONS, AdPlacement
from rtb_envs.envs.ad_placement.fixed_point import MICROS
from rtb_envs.policies.policy import Policy
from rtb_envs.rollouts.traced import Moment, trace
from rtb_envs.studies.placement.scenario import Scenario

WINDOW = 100
"""Events of a rolling window and of a bin."""
NOT_OPENED = REASONS.index("not_opened")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Days:
    """Every event of every day; arrays lead with [days, events]."""

    scenario: Scenario
    advertisers: tuple[str, ...]
    slot_types: tuple[str, ...]
    events: dict[str, Any]
    """As ``event_records`` has them."""

    def totals(self) -> dict[str, Floats]:
        """Of each day [days]: events, counts, revenue in $, and pressure summed over events with a user."""
        summed = {
            name: self.events[name].sum(axis=1).astype(np.float64)
            for name in ("opened_slots", "filled_slots", "impressions", "clicks", "has_user")
        }
        pressure = np.where(self.events["has_user"], self.events["pressure"], 0).sum(axis=1, dtype=np.float64)
        revenue = self.events["revenue_micros"].sum(axis=1, dtype=np.float64) / MICROS
        ones = np.ones_like(revenue)
        sessions = self.events["session"].max(axis=1).astype(np.float64)
        return {**summed, "pressure": pressure, "revenue": revenue, "sessions": sessions, "days": ones}

    def log(self, day: int = 0) -> pl.DataFrame:
        """A row an event of one day: t, opened_slots, filled_slots, winners, prices, clicks, reason, and more.

        ``winners``, ``prices`` ($ per mille) and ``reason`` hold one entry for each opened slot, comma-separated; an
        entry is empty where nothing was sold. ``reason`` is not_opened where no slot was opened.
        """
        steps = {name: values[day] for name, values in self.events.items()}
        winners, prices, reasons = [], [], []
        for opened, winner, price, reason in zip(
            *(steps[name].tolist() for name in ("opened_slots", "winner", "price_cpm", "reason")), strict=True
        ):
            is_sold = [index >= 0 for index in winner[:opened]]
            names = (self.advertisers[i] if sold else "" for i, sold in zip(winner, is_sold, strict=False))
            winners.append(",".join(names))
            prices.append(",".join(f"{p:.6f}" if sold else "" for p, sold in zip(price, is_sold, strict=False)))
            reasons.append(",".join(REASONS[index] for index in reason[:opened]) or REASONS[NOT_OPENED])
        return pl.DataFrame(
            {
                "t": np.arange(len(winners), dtype=np.int32),
                "opened_slots": steps["opened_slots"],
                "filled_slots": steps["filled_slots"],
                "winners": winners,
                "prices": prices,
                "clicks": steps["clicks"],
                "reason": reasons,
                "impressions": steps["impressions"],
                "revenue": steps["revenue_micros"] / MICROS,
                "pressure": steps["pressure"],
                "slot_type": [self.slot_types[index] for index in steps["slot_type"].tolist()],
                "has_user": steps["has_user"],
                "session": steps["session"],
            }
        )


def play(scenario: Scenario) -> Days:
    """All days of a scenario; equal seeds, sizes and auctions meet the same random numbers."""
    env = scenario.environment()
    chunks = list(trace(env, scenario.rule(env), _record, scenario.days, scenario.seed))
    events = {name: np.concatenate([chunk.steps[name] for chunk in chunks]) for name in chunks[0].steps}
    return Days(scenario, env.advertisers, env.slot_types, events)


def _record(env: Any, policy: Policy, params: Any, moment: Moment) -> dict[str, Any]:
    records: dict[str, Any] = AdPlacement.event_records(env, moment.key, moment.state, moment.action, params)
    return records


def rolling(log: pl.DataFrame) -> pl.DataFrame:
    """Revenue in $, CTR (clicks per impression) and fill rate (filled per opened slot) of the last 100 events.

    A row an event, from the first whole window on; a rate is null where there is nothing to divide by.
    """
    sums = {
        name: pl.col(name).cast(pl.Float64).rolling_sum(WINDOW)
        for name in ("revenue", "clicks", "impressions", "filled_slots", "opened_slots")
    }

    def rate(numerator: str, denominator: str) -> pl.Expr:
        return pl.when(sums[denominator] > 0).then(sums[numerator] / sums[denominator])

    return log.select(
        "t",
        revenue=sums["revenue"],
        ctr=rate("clicks", "impressions"),
        fill_rate=rate("filled_slots", "opened_slots"),
    ).filter(pl.col("revenue").is_not_null())


def bins(days: Days) -> pl.DataFrame:
    """Mean pressure on users and revenue in $ of every 100 events of every day; what is left of a day is dropped."""
    whole = days.scenario.events // WINDOW
    shape = (days.scenario.days, whole, WINDOW)

    def binned(values: Any) -> Any:
        return values[:, : whole * WINDOW].reshape(shape).astype(np.float64)

    present = binned(days.events["has_user"])
    pressure = (binned(days.events["pressure"]) * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
    revenue = binned(days.events["revenue_micros"]).sum(axis=-1) / MICROS
    day, part = np.indices(pressure.shape)
    return pl.DataFrame(
        {"day": day.ravel(), "first_t": part.ravel() * WINDOW, "pressure": pressure.ravel(), "revenue": revenue.ravel()}
    )
