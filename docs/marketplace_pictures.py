"""Makes the picture of the marketplace study from its results: `python docs/marketplace_pictures.py RESULTS.json`."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from rtb_envs.studies.marketplace.results import read_results
from rtb_envs.studies.marketplace.tables import scenario_title, values_of

STATIC = Path(__file__).parent / "_static"
STYLES = {"a": ("#0b69a3", "-"), "b": ("#d55e00", "--"), "c": ("#009e73", ":")}
PAIRS = (("a", "c", "effective_cpm_usd", 1, "A − C: effective CPM", "$ per 1000 delivered impressions"),)
PAIRS += (
    ("c", "a", "goal_attainment", 100, "C − A: goal attainment", "percentage points"),
    ("a", "b", "goal_attainment", 100, "A − B: goal attainment", "percentage points"),
)


def by_day(results, scenario, name):
    """Means over seeds [days]."""
    markets = [market["figures"]["by_day"] for market in results["markets"] if market["scenario"] == scenario]
    if name == "hallucination":
        false, claims = (np.sum([market[part] for market in markets], axis=0) for part in ("false_claims", "claims"))
        return 100 * false / np.maximum(claims, 1)
    return np.mean([market[name] for market in markets], axis=0)


def main():
    results = read_results(Path(sys.argv[1]))
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    curves = (
        ("goal_attainment", "Goal attainment so far", "% of the goal", 100),
        ("spend_usd", "What buyers paid", "million $ a day", 1e-6),
        ("hallucination", "False claims that stood", "% of the day's claims", 1),
    )
    for axis, (name, title, unit, factor) in zip(axes[0], curves, strict=True):
        for scenario in results["settings"]["scenarios"]:
            color, dash = STYLES[scenario]
            values = factor * by_day(results, scenario, name)
            label = scenario_title(scenario)
            axis.plot(np.arange(1, len(values) + 1), values, dash, color=color, linewidth=2, label=label)
        axis.set(title=title, xlabel="day (1 is a Monday)", ylabel=unit, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0, 0].legend(frameon=False)
    for axis, (first, second, name, factor, title, unit) in zip(axes[1], PAIRS, strict=True):
        difference = factor * (np.array(values_of(results, first, name)) - np.array(values_of(results, second, name)))
        order = np.sort(difference)
        axis.axhline(0, color="#6b7280", linewidth=1)
        axis.plot(np.arange(1, len(order) + 1), order, "o", color="#0b69a3", markersize=5, label="a seed each")
        axis.axhline(difference.mean(), color="#d55e00", linewidth=1.5, linestyle="--", label="mean")
        axis.set(title=title, xlabel="seeds, by difference", ylabel=unit)
        axis.grid(alpha=0.3)
    axes[1, 0].legend(frameon=False, loc="lower right")
    figure.savefig(STATIC / "marketplace.png", dpi=110)


if __name__ == "__main__":
    main()
