import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from tests.training.guessing import TARGETS, Climber, Guessing, guessing_params
from training import commands
from training.updates import Updates, over_devices

ROOT = Path(__file__).resolve().parents[2]
PARAMS = [guessing_params(target) for target in TARGETS]


def weights_after(learner, state, cuts, params) -> np.ndarray:
    """The weights after chunks of these numbers of updates."""
    updates = Updates(learner, max(cuts))
    updates.compile(state, params)
    for count in cuts:
        state, metrics = updates.run(state, params, count, enters_stage=False)
        assert len(metrics) == count
    return np.asarray(state.weights)


@pytest.fixture(scope="module")
def start():
    """A learner and its first state."""
    learner = Climber(Guessing())
    return learner, learner.init(0, PARAMS[0])


def test_chunking_does_not_change_results(start):
    learner, state = start
    whole = weights_after(learner, state, [12], PARAMS[0])
    for cuts in ([5, 5, 2], [1] * 12):
        assert weights_after(learner, state, cuts, PARAMS[0]).tobytes() == whole.tobytes()
    one_by_one, update = state, jax.jit(learner.update)
    for _ in range(12):
        one_by_one, _ = update(one_by_one, PARAMS[0])
    # Another program may round sums differently in their last bits.
    np.testing.assert_allclose(whole, one_by_one.weights, rtol=1e-5)


def test_every_update_of_a_chunk_has_its_metrics(start):
    learner, state = start
    updates = Updates(learner, 4)
    updates.compile(state, PARAMS[0])
    after, metrics = updates.run(state, PARAMS[0], 3, enters_stage=False)
    assert [sorted(row) for row in metrics] == [["began", "guess", "mean_reward"]] * 3
    assert metrics[-1]["guess"] == float(after.weights[0])


def test_a_stage_begins_with_new_episodes_in_its_own_market(start):
    learner, state = start
    updates = Updates(learner, 1)
    updates.compile(state, PARAMS[1])
    carried_over, metrics = updates.run(state, PARAMS[1], 1, enters_stage=False)
    assert metrics[0]["began"] == pytest.approx(TARGETS[0])
    assert (np.asarray(carried_over.lanes.episode) == 0).all()
    begun_anew, metrics = updates.run(state, PARAMS[1], 1, enters_stage=True)
    assert metrics[0]["began"] == pytest.approx(TARGETS[1])
    assert (np.asarray(begun_anew.lanes.episode) == 1).all()


SPREAD = """
import json, jax, numpy as np
from tests.training.test_updates import PARAMS, weights_after
from tests.training.guessing import Climber, Guessing
from training import commands
from training.updates import lane_devices, over_devices
learner = Climber(Guessing())
state = over_devices(learner.init(0, PARAMS[0]))
devices = [len(leaf.sharding.device_set) for leaf in jax.tree.leaves(state)]
shard = state.lanes.over.addressable_shards[0].data.shape
guess = float(weights_after(learner, state, [3, 3], PARAMS[0])[0])
numbers = [len(lane_devices(*lanes)) for lanes in [(12,), (7,), (11,), (12, 10)]]
print(json.dumps({"devices": devices, "shard": shard, "guess": guess, "numbers": numbers}))
"""


@pytest.mark.parametrize(("count", "used", "of_12_7_11_and_both"), [(4, 4, [4, 1, 1, 2]), (7, 4, [6, 7, 1, 2])])
def test_lanes_are_spread_over_as_many_devices_as_divide_them_and_learn_the_same(
    start, count, used, of_12_7_11_and_both
):
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
    program = [sys.executable, "-c", SPREAD]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["devices"]) == {used}
    assert told["shard"] == [8 // used]
    assert told["numbers"] == of_12_7_11_and_both
    learner, state = start
    # Sums over lanes are taken in another order.
    assert told["guess"] == pytest.approx(float(weights_after(learner, state, [6], PARAMS[0])[0]), rel=1e-5)


def test_on_one_device_a_state_stays_as_it_is(start):
    if len(jax.devices()) > 1:
        pytest.skip("this machine has several devices")
    assert over_devices(start[1]) is start[1]


@pytest.mark.parametrize(
    ("lanes", "told"),
    [
        ([1024], "cpu:0, cpu:1, cpu:2, cpu:3, cpu:4, cpu:5, cpu:6, cpu:7"),
        ([20], "cpu:0, cpu:1, cpu:2, cpu:3, cpu:4 (5 of 8 devices, to split 20 lanes evenly)"),
        ([20, 8], "cpu:0, cpu:1, cpu:2, cpu:3 (4 of 8 devices, to split 8 and 20 lanes evenly)"),
        ([11], "cpu:0 (1 of 8 devices, to split 11 lanes evenly)"),
    ],
)
def test_a_training_begins_with_the_devices_that_lanes_are_split_over(monkeypatch, lanes, told):
    monkeypatch.setattr(jax, "devices", lambda: [f"cpu:{i}" for i in range(8)])
    each = [SimpleNamespace(settings=SimpleNamespace(num_envs=number)) for number in lanes]
    learner = each[0] if len(each) == 1 else SimpleNamespace(learners=each)
    assert commands._devices(learner) == told
