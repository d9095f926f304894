"""What a campaign report says of finished episodes, per agent and overall, from the totals in info.

Every figure is the ratio of two sums over the episodes given, so that episodes without a click or a sale count too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rtb_envs.envs.retargeting.play import Played
from rtb_envs.users.incrementality import Lift, paired_lift, ratio_lift
from rtb_envs.users.lifecycle import STAGES

Figures = dict[str, npt.NDArray[np.float64]]


def agent_metrics(info: Mapping[str, Any]) -> Figures:
    """Each agent's figures from episode totals of shape [episodes, agents].

    roas: attributed revenue / cost; revenue, cost, profit: dollars an episode; revenue_within and revenue_later: the
    revenue that arrives before and after the episode's end; ctr: clicks / impressions; cvr: conversions / clicks;
    cpc: cost / clicks; cac: cost / new customers; lifetime_value: mean after an attributed purchase; win_rate: wins /
    bids;
    price_over_bid: clearing price / winning bid; market_share: of all wins; cooperation: share of opportunities left to
    an ally; budget_used: cost / budget. NaN where the denominator is 0.
    """
    total = {name: np.asarray(value, np.float64).sum(0) for name, value in info.items() if name.startswith("episode_")}
    episodes = np.shape(info["episode_cost"])[0]
    opportunities = float(np.sum(info["market_opportunities"]))
    cost, revenue, wins = total["episode_cost"], total["episode_revenue"], total["episode_wins"]
    later = total["episode_revenue_later"]
    remaining = np.asarray(info["remaining_budget"], np.float64).sum(0)
    return {
        "roas": _ratio(revenue, cost),
        "revenue": revenue / episodes,
        "revenue_within": (revenue - later) / episodes,
        "revenue_later": later / episodes,
        "cost": cost / episodes,
        "profit": (revenue - cost) / episodes,
        "budget_used": _ratio(cost, cost + remaining),
        "ctr": _ratio(total["episode_clicks"], wins),
        "cvr": _ratio(total["episode_conversions"], total["episode_clicks"]),
        "cpc": _ratio(cost, total["episode_clicks"]),
        "cac": _ratio(cost, total["episode_new_customers"]),
        "lifetime_value": _ratio(total["episode_lifetime_value"], total["episode_attributed_purchases"]),
        "win_rate": _ratio(wins, total["episode_bids"]),
        "price_over_bid": _ratio(cost - total["episode_surcharge"], total["episode_won_bids"]),
        "market_share": _ratio(wins, wins.sum()),
        "cooperation": total["episode_yielded"] / max(opportunities, 1),
    }


def market_metrics(info: Mapping[str, Any]) -> dict[str, float]:
    """The figures of the market as a whole, named as those of the agents.

    churn_rate: departures / opportunities; fill_rate: share of opportunities sold; later_share: of the revenue what
    arrives after the episode's end; mix_<stage>: share of customers in each stage at the end.
    """
    total = {name: float(np.sum(value, dtype=np.float64)) for name, value in info.items()}
    episodes = np.shape(info["episode_cost"])[0]
    cost, revenue, later = total["episode_cost"], total["episode_revenue"], total["episode_revenue_later"]
    wins, opportunities = total["episode_wins"], total["market_opportunities"]
    mix = np.asarray(info["stage_mix"], np.float64).mean(0)
    return {
        "roas": float(_ratio(revenue, cost)),
        "revenue": revenue / episodes,
        "revenue_within": (revenue - later) / episodes,
        "revenue_later": later / episodes,
        "cost": cost / episodes,
        "profit": (revenue - cost) / episodes,
        "budget_used": float(_ratio(cost, cost + total["remaining_budget"])),
        "ctr": float(_ratio(total["episode_clicks"], wins)),
        "cvr": float(_ratio(total["episode_conversions"], total["episode_clicks"])),
        "cpc": float(_ratio(cost, total["episode_clicks"])),
        "cac": float(_ratio(cost, total["episode_new_customers"])),
        "lifetime_value": float(_ratio(total["episode_lifetime_value"], total["episode_attributed_purchases"])),
        "win_rate": float(_ratio(wins, total["episode_bids"])),
        "price_over_bid": float(_ratio(cost - total["episode_surcharge"], total["episode_won_bids"])),
        "cooperation": float(_ratio(total["episode_yielded"], opportunities)),
        "later_share": float(_ratio(later, revenue)),
        "churn_rate": float(_ratio(total["market_departures"], opportunities)),
        "fill_rate": float(_ratio(total["market_sold"], opportunities)),
        **{f"mix_{stage}": float(share) for stage, share in zip(STAGES, mix, strict=True)},
    }


def opportunity_lift(played: Played) -> Lift:
    """The same-state ghost-ad lift of purchases without a click, over the opportunities of exposed customers.

    Only the exposure in the organic draw is masked; state, draws and everything before are the same.
    """
    exposed, masked = _count(played, "market_exposed_purchases"), _count(played, "market_masked_purchases")
    return paired_lift(exposed, masked)


def claimed_opportunity_lift(played: Played) -> float:
    """What last click claims in place of ``opportunity_lift``: the purchases without a click that it credits, over
    those that would have come anyhow."""
    claimed = _count(played, "market_attributed") - _count(played, "episode_conversions")
    return claimed / _count(played, "market_masked_purchases")


def run_lift(shown: Played, masked: Played) -> Lift:
    """The lift of all purchases over whole episodes of the same draws, ``masked`` with nobody's ads shown."""
    return ratio_lift(_purchases(shown), _purchases(masked))


def claimed_run_lift(played: Played, masked: Played) -> float:
    """What attribution claims in place of ``run_lift``: attributed purchases over those that come without any ads."""
    return _count(played, "market_attributed") / sum(_purchases(masked))


def incremental_revenue(shown: Played, masked: Played) -> float:
    """Dollars an episode that would not have come without the ads: the difference of all purchases' revenue."""
    revenue = [np.asarray(played.info["market_purchase_revenue"], np.float64).mean() for played in (shown, masked)]
    return float(revenue[0] - revenue[1])


def _count(played: Played, name: str) -> int:
    return int(np.asarray(played.info[name]).sum(dtype=np.int64))


def _purchases(played: Played) -> list[float]:
    purchases: list[float] = np.asarray(played.info["market_purchases"], np.float64).tolist()
    return purchases


def _ratio(part: Any, whole: Any) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(whole) > 0, np.divide(part, whole), np.nan)
