import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

import agents
from agents.saved import AGENTS_FOLDER
from agents.self_play import SelfPlayTeam
from agents.shared_team import SharedTeam
from agents.team import Team
from rtb_envs import compile
from tests.training.killed import Silent
from training import commands
from training.checkpoints import Checkpoints
from training.loading import ConfigurationError, load
from training.metrics import METRICS, read_table
from training.run import RunFolder
from training.settings import Settings
from training.team_evaluation import compare
from training.teams import TeamTask, nash_welfare
from training.trainer import Trainer
from training.updates import over_devices

ROOT = Path(__file__).resolve().parents[2]
TINY = {"num_envs": 2, "num_steps": 8, "hidden_sizes": [4], "memory_decays": []}
GRADIENTS = {**TINY, "lanes_per_market": 1, "num_minibatches": 1, "num_epochs": 1}
REPLAYS = {**TINY, "replay_size": 64, "num_gradient_steps": 2, "batch_size": 8}
SMALL = {
    "env": "retargeting_v0",
    "chunk_iterations": 1,
    "stage1": {"iterations": 2},
    "stage2": {"iterations": 2},
    "stage3": {"iterations": 2},
    "env_options": {"num_customers": 100, "horizon": 40},
    "agent_hyperparameters": {"ppo": GRADIENTS, "a2c": GRADIENTS, "dqn": REPLAYS},
    "validation": {"seeds": 2, "episodes": 1},
    "evaluation": {"seeds": 2, "episodes": 1, "bootstrap_samples": 100},
}


# Two learners, so that little has to be compiled.
PAIR = {
    **SMALL,
    "algos": ["ppo", "dqn"],
    "agent_hyperparameters": {"ppo": GRADIENTS, "dqn": REPLAYS},
    "stage1": {"iterations": 1},
    "stage2": {"iterations": 1},
    "env_options": {"num_agents": 2, "num_customers": 50, "horizon": 40},
}


@pytest.fixture(scope="module")
def task():
    return TeamTask(Settings(**SMALL))


@pytest.fixture(scope="module")
def updated(task):
    """The team, its state, its compiled update."""
    stage = task.curriculum.stages[0]
    state = compile.jit(task.learner.init, static_argnums=0)(0, stage.training_params)
    return state, compile.jit(task.learner.update)


def arrays(tree) -> list[bytes]:
    """The bytes of every array."""
    leaves = jax.tree.leaves(tree)
    data = [jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x for x in leaves]
    return [np.asarray(x).tobytes() for x in data]


def test_in_scripted_stages_learners_meet_the_first_rules_and_in_the_last_everybody(task):
    first, second, last = (stage.training_params for stage in task.curriculum.stages)
    active = [[np.asarray(market.active).tolist() for market in stage.markets] for stage in (first, second, last)]
    T, F = True, False
    assert active[0] == [[T, T, F, F], [T, T, F, F], [T, F, T, F], [T, F, F, T]]
    assert active[1] == [[T, T, T, F], [T, T, T, F], [T, T, T, F], [T, T, F, T]]
    assert active[2] == [[T] * 4] * 4
    assert [bool(stage.is_scripted) for stage in (first, second, last)] == [True, True, False]
    assert [float(stage.params.drift) for stage in task.curriculum.stages] == pytest.approx([0, 0, 0.2])


@pytest.mark.parametrize(("name", "updates"), [("multi_agent", [200, 600, 2000]), ("multi_agent_quick", [30, 90, 280])])
def test_shipped_configurations_are_teams_whose_stages_have_the_stated_updates(name, updates):
    settings = load({}, ROOT / "configs" / f"{name}.yaml")
    assert settings.is_team
    assert [stage.iterations for stage in settings.stages] == updates
    team = TeamTask(settings)
    assert [learner.steps_per_update for learner in team.learner.learners] == [5000] * 4


@pytest.mark.parametrize(("stage", "matters"), [(0, False), (2, True)])
def test_other_learners_weights_matter_in_the_joint_stage_alone(task, updated, stage, matters):
    state, update = updated
    params = task.curriculum.stages[stage].training_params
    # Everybody else bids the least: saturated hidden layers, and biases far below zero.
    others = [
        replace(own, weights=jax.tree.map(lambda leaf: leaf + 1 if leaf.ndim > 1 else leaf - 9, own.weights))
        for own in state.learners[1:]
    ]
    changed = replace(state, learners=(state.learners[0], *others))
    ours, theirs = (arrays(update(one, params)[0].learners[0].weights) for one in (state, changed))
    assert (ours != theirs) is matters


@pytest.mark.parametrize("stage", [0, 2])
def test_a_learner_of_a_team_learns_what_it_learns_alone_in_its_seat_against_the_same_rivals(task, updated, stage):
    state, update = updated
    team, params = task.learner, task.curriculum.stages[stage].training_params
    together = update(state, params)[0]
    seats = team.seat_params(state, params)
    for i, learner in enumerate(team.learners):
        alone = compile.jit(learner.update)(state.learners[i], seats[i])[0]
        assert arrays(alone) == arrays(together.learners[i])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Team),
        ({"pool": {"size": 3, "period": 5, "share": 0.25}}, SelfPlayTeam),
        (
            {"algos": ["ppo", "ppo"], "agent_hyperparameters": {"ppo": GRADIENTS}, "parameters": "shared"},
            SharedTeam,
        ),
    ],
)
def test_settings_say_whether_learners_meet_their_past_and_whether_they_are_one(changes, kind):
    task = TeamTask(Settings(**{**PAIR, **changes}))
    assert type(task.learner) is kind


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algos": ["ppo"]}, "algos must be one for each of the 4 agents, got 1: ppo"),
        ({"env_options": {"num_customers": 0}}, "num_customers"),
        (
            {"stage1": {"options": {"context_ctr": [0.1, 0.2]}}},
            r"the shape of response.context_ctr is \(2,\) in stage 1 and \(\d+,\) in stage 2",
        ),
        ({"stage2": {"options": {"touches": 4}}}, "touches is 8 in stage 1 and 4 in stage 2"),
        ({"stage3": {"options": {"horizon": 80}}}, "episode length is 40 in stage 1 and 80 in stage 3"),
        ({"agent_hyperparameters": {"a2c": {"num_epochs": 2}}}, "num_epochs must be 1 for A2C"),
        ({"agent_hyperparameters": {"ppo": {"num_epoch": 2}}}, "got 'num_epoch'"),
        (
            {"algos": ["ppo", "dqn"] * 2, "agent_hyperparameters": {"a2c": {"epochs": 2}}},
            "hyperparameters of a2c must be among .*; got 'epochs'",
        ),
    ],
)
def test_teams_that_cannot_be_are_refused_in_one_line(changes, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        TeamTask(Settings(**{**SMALL, **changes}))
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "contextual_auction_v0"}, "env must be one of .*retargeting_v0; got 'contextual_auction_v0'"),
        ({"algos": ["ppo", "sarsa"]}, "algos must be one of a2c, dqn, ppo; got 'sarsa'"),
        ({"agent_hyperparameters": {"sarsa": {}}}, r"must be of a2c, dqn, ppo"),
        ({"agent_hyperparameters": {"a2c": {}, "a3c": {}}}, "must name a2c once"),
        ({"hyperparameters": {"gamma": 0.9}}, "hyperparameters must be left out"),
        ({"instances": 2}, "instances must be left out"),
        ({"env": "AdAuction-v0", "algos": ["ppo"]}, "algos must be left out for env AdAuction-v0, which has one agent"),
        ({"env": "AdAuction-v0", "pool": {}}, "pool must be left out for env AdAuction-v0, which has one agent"),
        ({"env": "AdAuction-v0", "parameters": "shared"}, "parameters must be separate for env AdAuction-v0"),
        (
            {"parameters": "shared"},
            "algos must be the same one for every agent where parameters are shared, got ppo, dqn",
        ),
        (
            {"parameters": "shared", "pool": {}, "algos": ["ppo"] * 4},
            "pool must be left out where parameters are shared",
        ),
        ({"pool": {"share": 2}}, "less than or equal to 1"),
        ({"parameters": "common"}, "'separate' or 'shared'"),
    ],
)
def test_settings_of_the_other_kind_of_environment_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**{"env": "retargeting_v0", **changes})


def test_hyperparameters_of_a3c_are_those_of_a2c_its_synchronous_form():
    hyperparameters = {"ppo": GRADIENTS, "a3c": GRADIENTS}
    settings = Settings(**{**PAIR, "algos": ["ppo", "a3c"], "agent_hyperparameters": hyperparameters})
    assert TeamTask(settings).learner.learners[1].settings.hidden_sizes == (4,)


def test_a_team_is_scored_by_the_geometric_mean_of_its_agents_profits_over_their_rules():
    rules = np.array([100.0, 50.0, 10.0, 1.0])
    assert nash_welfare(np.array([200.0, 200.0, 10.0, 2.0]), rules) == pytest.approx(16**0.25)
    # What one gains cannot make up for another's starving.
    assert nash_welfare(np.array([9e9, 0.0, 10.0, 1.0]), rules) == 0
    assert nash_welfare(np.array([9e9, -1.0, -10.0, 1.0]), rules) == 0
    assert nash_welfare(np.full(4, 3.0), np.array([-5.0, 0.0, 0.5, 1.0])) == pytest.approx(3)


def test_a_rule_without_profit_leaves_the_ratio_out_and_the_difference_in():
    figures = compare(np.array([3.0, 5.0]), np.array([-1.0, 1.0]), 100)
    assert figures["ratio"] is None
    assert figures["difference"]["estimate"] == 4
    assert compare(np.array([3.0, 5.0]), np.array([2.0, 2.0]), 100)["ratio"]["estimate"] == 2


def train(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    config = folder.parent / "tiny.yaml"
    # JSON is YAML without aliases.
    config.write_text(json.dumps(SMALL))
    program = [sys.executable, "-m", "training", "train", "--config", str(config), "--out", str(folder), *more]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True)


def final(folder: Path) -> list[bytes]:
    task = TeamTask(Settings(**SMALL))
    like = jax.eval_shape(lambda: task.learner.init(0, task.curriculum.stages[0].training_params))
    with Checkpoints(RunFolder(folder).checkpoints, "last") as checkpoints:
        return arrays(checkpoints.restore(like)[0])


@pytest.mark.slow
def test_a_team_trains_evaluates_and_goes_on_with_the_same_bytes_after_it_was_stopped(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert "held-out seeds" in whole.stdout
    results = RunFolder(tmp_path / "whole").read_results()
    assert results["kind"] == "team"
    assert [seat["algo"] for seat in results["evaluation"]["agents"]] == ["ppo", "dqn", "ppo", "a2c"]
    policy = agents.load(tmp_path / "whole", agent="advertiser_1")
    action = policy.act(np.zeros(20))
    assert action.shape == (3,)
    assert policy.act(np.zeros(20)).tolist() == action.tolist()
    with pytest.raises(ValueError, match="agent must be one of advertiser_0, advertiser_1"):
        agents.load(tmp_path / "whole")
    assert len(list((tmp_path / "whole" / AGENTS_FOLDER).iterdir())) == 4

    asked = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr("training.progress.ProgressBar.should_stop", lambda bar: next(asked))
        settings = Settings(**SMALL, out=tmp_path / "stopped")
        assert not commands.train(settings, Console(quiet=True))
    assert commands.train(settings, Console(quiet=True))
    assert final(tmp_path / "stopped") == final(tmp_path / "whole")


SPREAD = """
import json, sys
from pathlib import Path
import jax
from tests.training.test_teams import PAIR, Stopping, arrays, train_pair
folder = Path(sys.argv[1])
whole = train_pair(folder / "whole", Stopping(99))
train_pair(folder / "stopped", Stopping(2))
resumed = train_pair(folder / "stopped", Stopping(99))
leaves = jax.tree.leaves(resumed)
told = {"devices": [len(leaf.sharding.device_set) for leaf in leaves], "same": arrays(resumed) == arrays(whole)}
told["split"] = [own.lanes.over.addressable_shards[0].data.shape[0] for own in whole.learners]
print(json.dumps(told))
"""


class Stopping(Silent):
    """Asks to stop after some chunks."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left < 0


class Indifferent:
    """Validates nothing."""

    def validate(self, state, progress):
        return 0.0, [{"iteration": progress.iteration, "seed": 0, "score": 0.0, "wall_time": 0.0}]


def train_pair(folder: Path, watcher: Stopping):
    """The state in which a training of ``PAIR`` stands when it has ended or stopped, as it goes on from its folder."""
    folder.mkdir(exist_ok=True)
    settings = Settings(**PAIR)
    pair = TeamTask(settings)
    Trainer(pair.learner, pair.curriculum, Indifferent(), settings, RunFolder(folder), watcher).run()
    like = jax.eval_shape(lambda: pair.learner.init(0, pair.curriculum.stages[0].training_params))
    with Checkpoints(RunFolder(folder).checkpoints, "last") as checkpoints:
        return over_devices(checkpoints.restore(like)[0])


@pytest.mark.slow
def test_a_team_spread_over_two_devices_learns_what_it_learns_on_one_and_goes_on_with_the_same_bytes(tmp_path):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    program = [sys.executable, "-c", SPREAD, str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told["devices"]) == {2}
    assert told["split"] == [1, 1]  # of 2 lanes
    assert told["same"]

    # Sums over lanes are taken in another order, so that only the first update, from equal weights, is nearly the same.
    train_pair(tmp_path / "alone", Stopping(1))
    tables = [
        read_table(RunFolder(tmp_path / name), METRICS).drop("seconds", "wall_time") for name in ("alone", "whole")
    ]
    first, spread = ({name: table[name][0] for name in tables[0].columns} for table in tables)
    # A metric of what has not happened yet has no value.
    first, spread = ({name: np.nan if it is None else it for name, it in row.items()} for row in (first, spread))
    assert first == pytest.approx(spread, rel=1e-3, abs=1e-5, nan_ok=True)
