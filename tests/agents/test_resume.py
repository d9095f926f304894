"""What a learner computes does not depend on whether its state went through a checkpoint."""

import jax
import pytest

from tests.agents.trees import assert_same_bytes
from training.checkpoints import Checkpoints, Progress


@pytest.mark.parametrize("name", ["discrete", "valued"])
def test_a_learner_goes_on_from_its_checkpoint_with_the_same_bits(name, tmp_path, request):
    trained = request.getfixturevalue(name)
    early = trained.updates(trained.start, trained.params, 3)[0]
    with Checkpoints(tmp_path, "last") as checkpoints:
        checkpoints.save(early, Progress(iteration=3))
    with Checkpoints(tmp_path, "last") as checkpoints:
        resumed, _ = checkpoints.restore(jax.eval_shape(trained.init, 0, trained.params))
    uninterrupted = trained.updates(trained.start, trained.params, 6)[0]
    assert_same_bytes(trained.updates(resumed, trained.params, 3)[0], uninterrupted)
