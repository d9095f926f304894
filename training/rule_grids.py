"""Settings to try when a rule is tuned: a grid for each rule of the registry that has settings to tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Grid = Mapping[str, Sequence[float]]

# Multipliers are shares of the best constant one of the market, which is found first; see ``scaled``.
_MULTIPLIERS = ("base_multiplier", "value_multiplier")
_DUALS = (0.5, 1.0, 2.0, 4.0, 8.0)
_STEP_SIZES = (0.03, 0.1, 0.3, 1.0, 3.0)

# Pacing rule -> its label in tables, and its grid.
RULE_GRIDS: dict[str, tuple[str, Grid]] = {
    "pid": (
        "PID pacing, tuned",
        {
            "base_multiplier": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15),
            "proportional_gain": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
            "integral_gain": (0.0, 0.03, 0.1, 0.3),
            "derivative_gain": (0.0, 0.5, 1.0),
        },
    ),
    "ta_pid": (
        "TA-PID, tuned",
        {
            "base_multiplier": (0.7, 0.8, 0.9, 1.0, 1.15),
            "proportional_gain": (0.0, 0.3, 1.0, 3.0),
            "integral_gain": (0.0, 1.0, 3.0, 10.0),
            "derivative_gain": (0.0, 0.03, 0.1),
            "night_factor": (0.2, 1.0),
        },
    ),
    "m_pid": (
        "M-PID, tuned",
        {
            "value_multiplier": (0.5, 0.7, 0.8, 0.9, 1.0, 1.15, 1.5),
            "proportional_gain": (0.0, 0.1, 0.3, 1.0),
            "integral_gain": (0.0, 0.03, 0.1, 0.3, 1.0),
            "derivative_gain": (0.0, 0.1),
            "budget_weight": (0.5, 1.0),
        },
    ),
    "alm": (
        "ALM, tuned",
        {"base_multiplier": (0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3), "gain": (0.1, 0.3, 0.6, 1.0, 1.5, 2.5, 4.0)},
    ),
    "mystique": (
        "Mystique, tuned",
        {
            "base_multiplier": (0.7, 0.8, 0.9, 1.0, 1.15),
            "largest_change": (0.03, 0.1, 0.2, 0.4),
            "smallest_change": (0.0, 0.01, 0.03),
            "error_range": (0.3, 1.0, 3.0),
        },
    ),
    "adaptive_pacing": (
        "adaptive pacing, tuned",
        {
            "value_multiplier": (1.0, 2.0, 4.0, 8.0, 16.0),
            "initial_dual": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
            "step_size": (0.1, 0.3, 1.0, 3.0, 10.0),
        },
    ),
    "dual_mirror_descent": (
        "dual mirror descent, tuned",
        {"value_multiplier": (1.5, 2.0, 4.0, 8.0, 16.0), "initial_dual": _DUALS, "step_size": _STEP_SIZES},
    ),
    "online_lp": (
        "online LP, tuned",
        {
            "base_multiplier": (0.6, 0.7, 0.8, 0.9, 1.0, 1.15),
            "elasticity": (2.0, 4.0, 8.0, 16.0),
            "prior_weight": (0.1, 1.0, 10.0),
            "forgetting": (0.3, 0.5, 0.7, 1.0),
        },
    ),
    "min_pacing": (
        "min pacing, tuned",
        {"value_multiplier": (1.0, 2.0, 4.0, 8.0), "initial_budget_dual": _DUALS, "step_size": _STEP_SIZES},
    ),
    "broi": (
        "BROI, tuned",
        {
            "value_multiplier": (1.0, 2.0, 4.0, 8.0),
            "initial_budget_dual": (0.0, *_DUALS),
            "step_size": _STEP_SIZES,
        },
    ),
}

# Rule -> what to try beside ``RULE_GRIDS`` in a market with a target cost per action; elsewhere it has no effect.
COST_TARGET_GRIDS: dict[str, Grid] = {
    "m_pid": {"initial_cost_dual": (0.3, 1.0, 3.0), "cost_weight": (0.5, 1.0)},
    "min_pacing": {"initial_cost_dual": (0.3, 1.0, 3.0), "cost_step_size": _STEP_SIZES},
    "broi": {"return_on_spend": (1.5, 2.0, 4.0), "cost_step_size": _STEP_SIZES},
}

# Placement rule -> its label in tables, and its grid. Slots are those of a market with at least 3.
PLACEMENT_GRIDS: dict[str, tuple[str, Grid]] = {
    "fixed": ("fixed, tuned", {"slots_per_open": (1, 2, 3), "every_n_events": (1, 2, 3, 4, 5, 6, 8)}),
    "threshold": (
        "threshold, tuned",
        {
            "threshold_ecpm": tuple(0.5 * i for i in range(21)),
            "max_slots": (1, 2, 3),
            "exploration": (0.0, 0.05, 0.2),
        },
    ),
    "utility": (
        "utility, tuned",
        {"annoyance_weight": tuple(10 ** (-4 + 0.2 * i) for i in range(26)), "max_slots": (1, 2, 3)},
    ),
}


def scaled(grid: Grid, multiplier: float) -> Grid:
    """``grid`` with its multipliers, which are shares of ``multiplier``, in the market's unit."""
    return {
        name: [value * multiplier for value in values] if name in _MULTIPLIERS else values
        for name, values in grid.items()
    }
