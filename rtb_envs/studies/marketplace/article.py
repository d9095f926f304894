"""An article about a run, in which every figure is computed from its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtb_envs.studies.marketplace.comparison import markdown_table
from rtb_envs.studies.marketplace.hypotheses import Answer, answers
from rtb_envs.studies.marketplace.tables import hypothesis_table, scenario_table, validity_table, values_of, verdicts

_SENTENCES = {
    "a": (
        "Through the exchange {deals:,.0f} of {opportunities:,.0f} packages were sold. Buyers paid "
        "${buyer_spend_usd:,.0f}, of which the exchange kept {fee_rate:.2%}; 1000 delivered impressions cost "
        "${effective_cpm_usd:.2f}."
    ),
    "b": (
        "In direct trade the buyers lost {rot_events:.1f} of their facts, and {hallucination_rate:.2%} of all claims "
        "were false and believed: {failed_deals:,.0f} deals failed, and ${overpaid_usd:,.0f} was paid too much."
    ),
    "c": (
        "Over the ledger {false_claims_stopped:,.0f} false claims were stopped by a look into it. Its {entries:,.0f} "
        "entries cost ${ledger_cost_usd:,.2f}, and {recovery_rate:.1%} of the agents could be rebuilt from them."
    ),
}


def article_of(results: dict[str, Any]) -> str:
    """The article in markdown."""
    settings = results["settings"]
    market = settings["market"]
    parts = [
        "# Exchange, direct or ledger: how should agents trade?",
        f"{market['buyers']} buyers with {market['campaigns_per_buyer']} campaigns each met {market['sellers']} "
        f"sellers for {market['days']} simulated days, in {len(settings['scenarios'])} scenarios under the same random "
        f"numbers, with {settings['seeds']} seed{'s' if settings['seeds'] > 1 else ''}. Figures are means over seeds.",
    ]
    for scenario in settings["scenarios"]:
        parts.append(_SENTENCES[scenario].format_map(_Means(results, scenario)))
    parts += [_sentence(answer) for answer in answers(results["markets"])]
    invalid = [verdict.title for verdict in verdicts(results) if verdict.verdict == "invalid"]
    parts.append(f"Invalid figures: {', '.join(invalid)}." if invalid else "No figure lies outside of its valid range.")
    tables = (scenario_table(results), hypothesis_table(results), validity_table(results))
    return "\n\n".join(parts + [markdown_table(table) for table in tables]) + "\n"


class _Means(dict[str, float]):
    """The figures of a scenario by name, as means over seeds."""

    def __init__(self, results: dict[str, Any], scenario: str) -> None:
        self._results, self._scenario = results, scenario

    def __missing__(self, name: str) -> float:
        return float(np.mean(values_of(self._results, self._scenario, name)))


def _sentence(answer: Answer) -> str:
    hypothesis = answer.hypothesis
    if answer.difference is None:
        return f"The hypothesis “{hypothesis.text}” needs at least two seeds."
    share = hypothesis.unit.startswith("share")
    factor, unit = (100, "percentage points") if share else (1, "$ per 1000 delivered impressions")
    estimate, low, high = (
        factor * x for x in (answer.difference.estimate, answer.difference.low, answer.difference.high)
    )
    return (
        f"The hypothesis “{hypothesis.text}” is {answer.verdict}: the paired difference is {estimate:+.3f} {unit} "
        f"(95 % interval {low:+.3f} to {high:+.3f}, {answer.seeds} seeds)."
    )
