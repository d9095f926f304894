"""The tables of a comparison: titles, units and finished texts, for markdown and HTML alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rtb_envs.envs.marketplace.config import SCENARIO_NAMES
from rtb_envs.studies.marketplace.hypotheses import Answer, answers
from rtb_envs.studies.marketplace.results import campaign_days
from rtb_envs.studies.marketplace.validity import Verdict, is_judged, judge


class TableOfTexts(NamedTuple):
    """A table as it is shown."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


class Figure(NamedTuple):
    """A figure of a market and how to show it."""

    name: str
    title: str
    form: str


FIGURES = (
    Figure("opportunities", "impression packages offered", "{:,.0f}"),
    Figure("deals", "deals struck", "{:,.0f}"),
    Figure("failed_deals", "of them failed", "{:,.0f}"),
    Figure("fill_rate", "fill rate (%)", "{:.1%}"),
    Figure("delivered_impressions", "delivered impressions", "{:,.0f}"),
    Figure("buyer_spend_usd", "buyers' spend ($)", "{:,.0f}"),
    Figure("seller_payout_usd", "sellers' revenue ($)", "{:,.0f}"),
    Figure("fees_usd", "fees ($)", "{:,.0f}"),
    Figure("fee_rate", "fees of what buyers pay (%)", "{:.2%}"),
    Figure("ledger_cost_usd", "cost of the ledger ($)", "{:,.2f}"),
    Figure("overpaid_usd", "overpaid on false claims ($)", "{:,.0f}"),
    Figure("effective_cpm_usd", "effective CPM ($ per 1000 delivered)", "{:.3f}"),
    Figure("goal_attainment", "goal attainment (%)", "{:.2%}"),
    Figure("rot_events", "context-rot events", "{:,.1f}"),
    Figure("hallucination_rate", "hallucination rate (%)", "{:.2%}"),
    Figure("false_claims_minor", "false claims, less than 5 % off", "{:,.1f}"),
    Figure("false_claims_moderate", "false claims, 5 to 20 % off", "{:,.1f}"),
    Figure("false_claims_severe", "false claims, more off or invented", "{:,.1f}"),
    Figure("false_claims_corrected", "false claims corrected", "{:,.1f}"),
    Figure("false_claims_stopped", "false claims stopped", "{:,.1f}"),
    Figure("recovery_rate", "recovery rate (%)", "{:.1%}"),
    Figure("entries", "entries written", "{:,.0f}"),
    Figure("context_overflows", "contexts overflown", "{:,.1f}"),
)


FEE_MODES = {"deduct": "deducted from the sellers' payout", "markup": "on top of what the media cost"}
OUTCOMES = {
    "agreed": "less than 3 % apart: accepted",
    "split": "3 to 10 % apart: difference split",
    "resolved": "10 to 20 % apart: dispute resolved",
    "unresolved": "dispute unresolved, or more than 20 % apart",
}


def tables(results: dict[str, Any]) -> list[TableOfTexts]:
    """Every table of a comparison, in order."""
    first = [scenario_table(results), validity_table(results), hypothesis_table(results)]
    every = [*first, reconciliation_table(results), decision_table(results)]
    return every + ([cost_table(results)] if "model" in results["wall_clock"] else [])


def scenario_table(results: dict[str, Any]) -> TableOfTexts:
    """The scenarios side by side: means over seeds."""
    scenarios, settings = results["settings"]["scenarios"], results["settings"]
    rows = []
    for figure in FIGURES:
        means = [float(np.mean(values_of(results, scenario, figure.name))) for scenario in scenarios]
        rows.append([figure.title, *(_text(figure, value, s) for value, s in zip(means, scenarios, strict=True))])
    market = settings["market"]
    note = (
        f"Means over {settings['seeds']} seed{'s' if settings['seeds'] > 1 else ''}; {market['days']} days, "
        f"{market['buyers']} buyers with {market['campaigns_per_buyer']} campaigns each, {market['sellers']} sellers. "
        f"Exchange fee {market['exchange_fee']:.0%} before discounts and clamp, {FEE_MODES[market['fee_mode']]}."
    )
    return TableOfTexts("Scenarios side by side", note, ["figure", *map(scenario_title, scenarios)], rows)


def validity_table(results: dict[str, Any]) -> TableOfTexts:
    """Each figure against the range that was fixed in advance."""
    rows = []
    for verdict in verdicts(results):
        seen = "–" if verdict.mean is None else _amount(verdict.mean, verdict.unit)
        span = (
            "–"
            if verdict.low is None
            else f"{_amount(verdict.low, verdict.unit)} to {_amount(verdict.high, verdict.unit)}"
        )
        rows.append(
            [verdict.title, seen, span, _range(verdict.expected, verdict.unit), _invalid(verdict), verdict.verdict]
        )
    judged = is_judged(results["settings"]["seeds"])
    note = "Measured from ledger rows. " + ("Judged." if judged else "Shown, not judged: that takes 20 seeds.")
    header = ["figure", "mean", "over seeds", "expected", "invalid", "verdict"]
    return TableOfTexts("Validity", note, header, rows)


def hypothesis_table(results: dict[str, Any]) -> TableOfTexts:
    """Every hypothesis with its paired interval."""
    rows = []
    for given in answers(results["markets"]):
        rows.append([given.hypothesis.text, *_interval(given), str(given.seeds), given.verdict])
    header = ["hypothesis", "mean difference", "95 % interval", "unit", "seeds", "verdict"]
    note = "Differences of the first less the second scenario, paired by seed; bootstrap over seeds."
    return TableOfTexts("Hypotheses", note, header, rows)


def reconciliation_table(results: dict[str, Any]) -> TableOfTexts:
    """How the records of both sides of a deal were brought together."""
    scenarios = results["settings"]["scenarios"]
    counts = {scenario: values_of(results, scenario, "reconciliation") for scenario in scenarios}
    rows = [
        [title, *(f"{np.mean([count[name] for count in counts[scenario]]):,.1f}" for scenario in scenarios)]
        for name, title in OUTCOMES.items()
    ]
    return TableOfTexts(
        "Records of both sides", "Deals, means over seeds.", ["outcome", *map(scenario_title, scenarios)], rows
    )


def decision_table(results: dict[str, Any]) -> TableOfTexts:
    """Who decided about bids."""
    rows = []
    for scenario in results["settings"]["scenarios"]:
        decided, escalated, refused = (
            int(np.sum(values_of(results, scenario, name))) for name in ("decided", "escalated", "refused")
        )
        by_tree = 1 - escalated / decided if decided else 1.0
        rows.append([scenario_title(scenario), f"{decided:,}", f"{by_tree:.2%}", f"{escalated:,}", f"{refused:,}"])
    header = [
        "scenario",
        "bid decisions",
        "by the decision tree (%)",
        "passed on",
        "accepted beyond the budget, refused",
    ]
    return TableOfTexts("Bid decisions", "Sums over all seeds.", header, rows)


def cost_table(results: dict[str, Any]) -> TableOfTexts:
    """What the decisions of a run with a language model would have cost in other ways."""
    model = results["wall_clock"]["model"]
    header = ["way", "calls", "tokens read", "tokens written", "cost ($)"]
    rows = [
        [
            row["way"],
            *(f"{row[name]:,.0f}" for name in ("calls", "input_tokens", "output_tokens")),
            f"{row['dollars']:.4f}",
        ]
        for row in model["cost_table"]
    ]
    note = f"From the tokens of {model['calls']:,} calls, which cost ${model['dollars']:.4f}, with attempts "
    note += f"without an answer at most ${model['dollars_at_most']:.4f}; "
    note += f"{model['cache_hit_rate']:.1%} of cacheable decisions were in the cache."
    return TableOfTexts("Cost of decisions", note, header, rows)


def verdicts(results: dict[str, Any]) -> list[Verdict]:
    """The verdicts on the ranges of validity."""
    settings = results["settings"]
    return judge(results["markets"], campaign_days(settings), settings["market"]["days"])


def values_of(results: dict[str, Any], scenario: str, figure: str) -> list[Any]:
    """A figure of a scenario in each seed."""
    return [market["figures"][figure] for market in results["markets"] if market["scenario"] == scenario]


def scenario_title(scenario: str) -> str:
    """As "A exchange"."""
    return f"{scenario.upper()} {SCENARIO_NAMES[scenario]}"


def _text(figure: Figure, value: float, scenario: str) -> str:
    if figure.name == "recovery_rate" and scenario != "c":
        return "–"
    return figure.form.format(value)


def _amount(value: float | None, unit: str) -> str:
    if value is None or np.isinf(value):
        return ""
    return f"{value:.2%}" if unit == "share" else f"{value:,.0f}"


def _range(bounds: tuple[float, float], unit: str) -> str:
    low, high = bounds
    if low == high:
        return _amount(low, unit)
    return f"≥ {_amount(low, unit)}" if np.isinf(high) else f"{_amount(low, unit)} to {_amount(high, unit)}"


def _invalid(verdict: Verdict) -> str:
    low, high = (_amount(bound, verdict.unit) for bound in verdict.valid)
    if verdict.valid[0] == 0:
        return f"0 or > {high}"
    beyond = "" if not high or verdict.valid[1] == verdict.expected[1] else f" or > {high}"
    return f"< {low}{beyond}"


def _interval(given: Answer) -> list[str]:
    difference = given.difference
    if difference is None:
        return ["–", "–", given.hypothesis.unit]
    share = given.hypothesis.unit.startswith("share")
    factor, form = (100, "{:+.3f}") if share else (1, "{:+.4f}")
    estimate, low, high = (form.format(factor * x) for x in (difference.estimate, difference.low, difference.high))
    unit = "percentage points" if share else given.hypothesis.unit
    return [estimate, f"{low} to {high}", unit]
