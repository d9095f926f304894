"""The JSON reports of a study; a figure that does not exist (a CAC without a click) is null."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rtb_envs.studies.offline.comparison import BID_FACTORS, METHODS, QUALITY_FACTORS, cheapest_first
from rtb_envs.studies.offline.forecasts import DEFAULT_FREQUENCY, rates
from rtb_envs.studies.offline.study import Study
from rtb_envs.studies.offline.verdict import SLATE_SIZE

LEGACY_NAMES = {
    "auction_offline_simulation.json": "auctiongym_offline_simulation.json",
    "thompson_offline_simulation.json": "rl_offline_simulation.json",
    "journey_offline_simulation.json": "recsim_offline_simulation.json",
}
"""Names that three reports have in the workflow that this study can stand in for."""
PAGE = "offline_study.html"


def file_names(*, legacy_names: bool) -> list[str]:
    """Everything that a study writes."""
    return [*_MAKERS, *(LEGACY_NAMES.values() if legacy_names else ()), PAGE]


def json_reports(study: Study, *, legacy_names: bool) -> dict[str, dict[str, Any]]:
    """File name -> contents; ``legacy_names`` adds three of them again under their former names."""
    reports = {name: make(study) for name, make in _MAKERS.items()}
    if legacy_names:
        reports |= {former: reports[name] for name, former in LEGACY_NAMES.items()}
    return reports


def auction_report(study: Study) -> dict[str, Any]:
    """The auctions, sorted by CAC, creatives without a click last."""
    auction, totals = study.auction, study.auction.totals
    ctr, cvr = rates(study.items)
    cac = auction.cac
    entries = [
        {
            "creative_id": item.creative_id,
            "win_rate": float(totals.win_rate[i]),
            "est_ctr": float(ctr[i]),
            "est_cvr": float(cvr[i]),
            "cpc": _number(totals.cost_per_click[i]),
            "cpm": _number(auction.cpm[i]),
            "cac": _number(cac[i]),
            "our_bid": float(auction.bid[i]),
            "quality": float(auction.quality[i]),
            "clicks_sim": int(totals.clicks[i]),
            "imps_sim": int(totals.wins[i]),
            "avg_win_price": _number(totals.mean_price[i]),
            "forecast_cac_p50": item.cac.p50,
            "delta_cac_vs_forecast": _number(cac[i] - item.cac.p50),
        }
        for i, item in enumerate(study.items)
    ]
    return {"budget_key": str(study.settings.budget), "items": [entries[i] for i in cheapest_first(cac)]}


def thompson_report(study: Study) -> dict[str, Any]:
    """Thompson's days: its ranking, and what it gave each creative each day."""
    tested, names = study.tested, [item.creative_id for item in study.items]
    cac = study.cac.of["thompson"][0]
    ranking = [
        {
            "id": names[i],
            "a": float(tested.a[i]),
            "b": float(tested.b[i]),
            "spend": float(tested.spend[i]),
            "wins": int(tested.signups[i]),
            "imps": int(tested.impressions[i]),
            "cac_p50": _number(cac[i]),
            "stopped_after_day": int(tested.stopped_on[i]) + 1 if tested.stopped_on[i] >= 0 else None,
        }
        for i in study.orders["thompson"]
    ]
    history = [
        {"day": day + 1, "allocations": {name: float(spend) for name, spend in zip(names, row, strict=True)}}
        for day, row in enumerate(tested.allocation)
    ]
    return {
        "days": study.settings.num_days,
        "daily_budget": study.settings.budget,
        "ranking": ranking,
        "history": history,
    }


def journey_report(study: Study) -> dict[str, Any]:
    """Creatives over whole journeys, the slate of eight, and how well the personas fit the baselines."""
    fitted, cac = study.fitted, study.cac.of["journeys"]
    budget_each = study.settings.budget / min(SLATE_SIZE, len(study.items))
    order = study.orders["journeys"]
    entries = [
        {
            "creative_id": study.items[i].creative_id,
            "frequency": study.items[i].frequency,
            "frequency_assumed": study.items[i].reach is None,
            "ctr_adj": float(study.ctr_adjusted[i]),
            "cvr_adj": _number(study.cvr_adjusted[i]),
            "cac_adj": _number(cac[0, i]),
            "cac_adj_low": _number(cac[1, i]),
            "cac_adj_high": _number(cac[2, i]),
            "signups_adj": _number(budget_each / cac[0, i]),
        }
        for i in order
    ]
    numbers = zip(fitted.names, fitted.estimate, fitted.standard_error, strict=True)
    return {
        "items": entries,
        "slate": [study.items[i].creative_id for i in order[:SLATE_SIZE]],
        "default_frequency": DEFAULT_FREQUENCY,
        "fit": {
            "dayparts_and_fatigue": "fitted" if fitted.detailed else "defaults: baselines hold plain rates only",
            "impressions_assumed": study.baselines.assumed_impressions,
            "parameters": {name: {"estimate": float(e), "standard_error": float(s)} for name, e, s in numbers},
            "ctr_relative_rms_error": fitted.ctr_error,
            "cvr_relative_rms_error": fitted.cvr_error,
            "ctr_sampling_noise": fitted.ctr_noise,
            "cvr_sampling_noise": fitted.cvr_noise,
            "chi_square_per_freedom": _number(fitted.chi_square_per_freedom),
        },
    }


def comparison_report(study: Study) -> dict[str, Any]:
    """Ranks, shifts, sensitivity, rotation and the verdict."""
    ranks, sensitivity, verdict = study.ranks, study.sensitivity, study.verdict
    forecast = study.cac.of["forecast"][0]
    creatives = [
        {
            "creative_id": item.creative_id,
            "rank": {method: int(ranks[method][i]) for method in METHODS},
            "rank_shift_vs_forecast": {method: int(ranks["forecast"][i] - ranks[method][i]) for method in METHODS[1:]},
            "cac": {method: _number(study.cac.of[method][0, i]) for method in METHODS},
            "delta_cac_vs_forecast": {
                method: _number(study.cac.of[method][0, i] - forecast[i]) for method in METHODS[1:]
            },
        }
        for i, item in enumerate(study.items)
    ]
    cells = [
        {
            "bid_factor": bid,
            "quality_factor": quality,
            "win_rate": {
                item.creative_id: float(w) for item, w in zip(study.items, sensitivity.win_rate[b, q], strict=True)
            },
            "top_5_overlap": float(sensitivity.top_overlap[b, q]),
        }
        for b, bid in enumerate(BID_FACTORS)
        for q, quality in enumerate(QUALITY_FACTORS)
    ]
    return {
        "creatives": creatives,
        "slates": {
            method: [study.items[i].creative_id for i in study.orders[method][:SLATE_SIZE]] for method in METHODS
        },
        "sensitivity": cells,
        "rotation": {method: vars(study.rotations[method]) for method in METHODS},
        "verdict": {
            "decision": verdict.decision,
            "switch": verdict.switch,
            "same_slate": verdict.same_slate,
            "thompson_cac": _interval(verdict.thompson_cac),
            "journey_cac": _interval(verdict.journey_cac),
            "cac_gain": _interval(verdict.gain),
            "truth": "simulated",
        },
    }


def _interval(points: tuple[float, float, float]) -> dict[str, float]:
    return {"median": points[0], "low": points[1], "high": points[2]}


def _number(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None


_MAKERS: dict[str, Callable[[Study], dict[str, Any]]] = {
    "auction_offline_simulation.json": auction_report,
    "thompson_offline_simulation.json": thompson_report,
    "journey_offline_simulation.json": journey_report,
    "comparison_offline_simulation.json": comparison_report,
}
