"""The short table of README.md, renewed from recorded figures."""

from __future__ import annotations

import textwrap

from benchmarks.report import markdown_table, quantity, significant
from benchmarks.results import Figures

BEGIN, END = "<!-- figures of docs/benchmark_speed.json -->", "<!-- end of figures -->"
AGAINST = "registered"
"""RTBGym's configuration that the last column compares with."""
LABELS = {
    "rollout-4096": "AdAuction-v0, `rtb_envs.rollout`",
    "make_vec-1024": "AdAuction-v0, `gymnasium.make_vec`",
    "make": "AdAuction-v0, `gymnasium.make`",
    "sb3-1024": "AdAuction-v0, `SB3VecEnv`",
    "auto_bidding-4": "AutoBidding-v0, 48 bidders, 3 slots",
    "contextual_auction-4": "AuctionGym's world, 2 of 6 bidders",
    "retargeting-1024": "retargeting_v0, 4 agents, 10,000 customers",
    "ad_placement-32768": "AdPlacement-v0, 3 slots, 8 advertisers",
    "ppo": "PPO, acting and learning",
}
"""What the rows of the full table that are shown are called."""


def renewed(text: str, results: Figures) -> str:
    """``text`` with the table between ``BEGIN`` and ``END`` made anew from ``results``; ValueError without the two."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the file must have one line {BEGIN!r} and one line {END!r} around the table")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{_sentence(results)}\n\n{_table(results)}\n{END}{after}"


def _table(results: Figures) -> str:
    measured = {row["name"]: row for row in results["measurements"]}
    peer = results["rtbgym"] or {"measurements": [], "ratios": []}
    times = {ratio["name"]: ratio for ratio in peer["ratios"] if ratio["configuration"] == AGAINST}
    rows = [_row(label, measured[name], times.get(name)) for name, label in LABELS.items() if name in measured]
    rows += [_row("RTBGym, `gym.make`", row, None) for row in peer["measurements"] if row["name"] == AGAINST]
    columns = ["", "environments", "environment steps/s", "auctions/s", "× RTBGym's auctions/s"]
    return markdown_table(columns, rows)


def _row(label: str, row: Figures, ratio: Figures | None) -> list[str]:
    auctions = row["auctions_per_second"]
    return [
        label,
        f"{row['num_envs']:,}",
        quantity(row["steps_per_second"]["median"]),
        "" if auctions is None else quantity(auctions["median"]),
        "" if ratio is None else significant(ratio["auctions_per_second"]["median"]),
    ]


def _sentence(results: Figures) -> str:
    machine, versions, peer = results["machine"], results["versions"], results["rtbgym"]
    load = results["load_average_1min"]
    parts = [
        f"Medians on {machine['cores']} cores ({machine['processor']}; jax {versions['jax']}); AdAuction-v0 holds 200 "
        "auctions a step.",
    ]
    if peer is not None:
        parts.append(
            f"RTBGym (scope-rl {peer['versions']['scope-rl']}) was measured in turns with ours, and the last column is "
            "the median of the turns' ratios."
        )
    if not results["is_quiet"]:
        parts.append(f"Other programs were running (load average {load:.1f}), so these figures are too low.")
    return textwrap.fill(" ".join(parts), 120)
