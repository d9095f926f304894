"""The episode that a run keeps: of Retargeting alone, with everybody in the seat that it was trained for."""

import jax
import polars as pl
import pytest

from rtb_envs.envs.retargeting import SEAT_STRATEGIES, make_retargeting, scripted_seats
from rtb_envs.studies.report.run_files import read_run
from tests.training.test_main import TINY
from tests.training.test_teams import GRADIENTS, REPLAYS, SMALL
from training.recorded_episode import record_episode
from training.settings import Settings
from training.solo import Solo
from training.task import Task
from training.teams import TeamTask


def recorded(task: Task, folder) -> list[str]:
    """What a task keeps of the state that it begins with."""
    init = jax.jit(task.learner.init, static_argnums=0)
    return task.record(init(0, task.curriculum.stages[0].training_params), folder)


def policies(folder) -> dict[str, str]:
    """Agent -> policy of the recorded episode."""
    return dict(read_run(folder).episode.agents.select("agent", "policy").unique().sort("agent").iter_rows())


def test_other_environments_and_several_opportunities_a_step_keep_none(tmp_path):
    assert recorded(Solo(Settings(**TINY)), tmp_path) == []
    market = make_retargeting(opportunities_per_step=2, num_customers=10, horizon=40)
    assert record_episode(market, scripted_seats(4), SEAT_STRATEGIES, market.default_params, tmp_path) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "options"), [("ppo", {}), ("dqn", {"agent": "advertiser_2", "action_kind": "discrete"})]
)
def test_one_learner_is_recorded_in_its_seat_among_the_rules_that_it_meets(tmp_path, algo, options):
    settings = {
        "env": "Retargeting-v0",
        "algo": algo,
        "curriculum": 1,
        "env_options": {**SMALL["env_options"], **options},
        "hyperparameters": GRADIENTS if algo == "ppo" else REPLAYS,
    }
    assert recorded(Solo(Settings(**settings)), tmp_path) == ["episode/"]
    expected = ["conservative", "aggressive", "retargeting"]
    expected.insert(0 if algo == "ppo" else 2, algo)
    assert list(policies(tmp_path).values()) == expected


@pytest.mark.slow
def test_a_team_is_recorded_with_its_algorithms_in_the_market_of_the_last_stage(tmp_path):
    assert recorded(TeamTask(Settings(**SMALL)), tmp_path) == ["episode/"]
    assert list(policies(tmp_path).values()) == ["ppo", "dqn", "ppo", "a2c"]
    agents = read_run(tmp_path).episode.agents
    assert agents["opportunities"].max() == SMALL["env_options"]["horizon"]
    assert agents.filter(pl.col("opportunities") == 0)["remaining_budget"].to_list() == [1500.0] * 4
