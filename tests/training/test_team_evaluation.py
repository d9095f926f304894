"""What a team's judge makes of episodes that have been played."""

from types import SimpleNamespace

import numpy as np
import pytest

from training.team_evaluation import TeamJudge

TOTALS = (
    *("cost", "surcharge", "bids", "wins", "won_bids", "clicks", "conversions", "attributed_purchases"),
    *("new_customers", "revenue", "revenue_later", "lifetime_value", "yielded"),
)


def test_campaign_figures_are_those_of_each_seeds_own_episodes_and_left_out_without_a_denominator():
    info = {f"episode_{name}": np.zeros((4, 2)) for name in TOTALS}
    info |= {"remaining_budget": np.full((4, 2), 6.0), "market_opportunities": np.full(4, 100)}
    info["episode_cost"] = np.array([[2.0, 0], [4, 0], [4, 0], [10, 0]])
    info["episode_revenue"] = np.array([[6.0, 0], [12, 0], [7, 0], [7, 0]])
    info["episode_wins"] = np.array([[3, 1], [0, 0], [0, 0], [0, 5]])
    judge = SimpleNamespace(seeds=(0, 1), num_episodes=2, market=SimpleNamespace(agents=("a", "b")))
    first, second = TeamJudge.campaigns(judge, info)
    assert (first["roas/a"], second["roas/a"]) == pytest.approx((3.0, 1.0))
    assert (first["market_share/a"], second["market_share/b"]) == pytest.approx((0.75, 1.0))
    assert (first["cost/a"], first["budget_used/a"]) == pytest.approx((3.0, 6 / 18))
    assert not {"roas/b", "cvr/a", "cac/a"} & set(first)
