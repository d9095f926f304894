import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.guessing import Climber, Guessing, guessing_params
from training.checkpoints import Checkpoints, Progress
from training.run import RunError


@pytest.fixture(scope="module")
def state():
    """A learner's state: floats, integers, flags and keys."""
    return Climber(Guessing()).init(0, guessing_params(0.5))


def test_a_checkpoint_gives_back_what_was_saved(state, tmp_path):
    progress = Progress(iteration=7, stage=2, stage_iteration=3, best_score=0.1, best_iteration=5, seconds=1.5)
    with Checkpoints(tmp_path, "last") as checkpoints:
        checkpoints.save(state, progress)
    with Checkpoints(tmp_path, "last") as checkpoints:
        restored, where = checkpoints.restore(state)
    assert where == progress
    np.testing.assert_array_equal(restored.weights, state.weights)
    assert restored.key == state.key
    assert (restored.lanes.keys == state.lanes.keys).all()


def test_the_newest_checkpoint_takes_the_place_of_the_one_before(state, tmp_path):
    with Checkpoints(tmp_path, "last") as checkpoints:
        assert checkpoints.iteration is None
        for iteration in (3, 6):
            checkpoints.save(state, Progress(iteration=iteration))
        assert checkpoints.iteration == 6
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["6"]


def test_a_half_written_checkpoint_is_passed_over(state, tmp_path):
    with Checkpoints(tmp_path, "last") as checkpoints:
        checkpoints.save(state, Progress(iteration=3))
    (tmp_path / "last" / "6.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    with Checkpoints(tmp_path, "last") as checkpoints:
        assert checkpoints.iteration == 3
        checkpoints.save(state, Progress(iteration=6))
        assert checkpoints.restore(state)[1].iteration == 6


@pytest.mark.parametrize("damage", ["progress", "state"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(state, tmp_path, damage):
    with Checkpoints(tmp_path, "last") as checkpoints:
        checkpoints.save(state, Progress(iteration=3))
    if damage == "progress":
        for path in (tmp_path / "last" / "3" / "progress").iterdir():
            path.write_text("{", encoding="utf-8")
    else:
        shutil.rmtree(tmp_path / "last" / "3" / "state")
    with (
        Checkpoints(tmp_path, "last") as checkpoints,
        pytest.raises(RunError, match=r"3 in .* cannot be read"),
    ):
        checkpoints.restore(state)


def test_a_missing_checkpoint_is_said_to_be_missing(state, tmp_path):
    with Checkpoints(tmp_path, "best") as checkpoints, pytest.raises(FileNotFoundError, match="no complete checkpoint"):
        checkpoints.restore(state)


def test_kinds_of_checkpoints_are_kept_apart(state, tmp_path):
    with Checkpoints(tmp_path, "last") as last, Checkpoints(tmp_path, "best") as best:
        last.save(state, Progress(iteration=3))
        best.save(state.__class__(jnp.ones(2048), state.lanes, state.key, state.updates), Progress(iteration=2))
        assert float(best.restore(state)[0].weights[5]) == 1
        assert (last.iteration, best.iteration) == (3, 2)
