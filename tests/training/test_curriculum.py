import dataclasses

import numpy as np
import pytest

from tests.training.guessing import Guessing, guessing_params
from training.checkpoints import Progress
from training.curriculum import Curriculum, Stage, from_settings
from training.settings import Settings


def three_stages(threshold: float | None) -> Curriculum:
    """Two stages of at most 5 updates, and a third for the rest of 20."""
    stages = [Stage(number, guessing_params(0.5), 5, threshold) for number in (1, 2)]
    return Curriculum(Guessing(), (*stages, Stage(3, guessing_params(0.5), 20)), 20)


def visited(curriculum: Curriculum, chunk: int, scores: list[float]) -> list[tuple[int, int]]:
    """Stage and updates of every chunk of a run whose n-th chunk is validated at ``scores[n]``."""
    progress, chunks = Progress(), []
    for score in scores:
        count = min(chunk, curriculum.remaining(progress))
        chunks.append((progress.stage, count))
        iteration, stage_iteration = progress.iteration + count, progress.stage_iteration + count
        progress = dataclasses.replace(progress, iteration=iteration, stage_iteration=stage_iteration)
        progress = curriculum.after_validation(progress, score)
    assert progress.finished
    return chunks


def test_stages_end_after_their_iterations_and_the_last_takes_the_rest():
    expected = [(1, 4), (1, 1), (2, 4), (2, 1), (3, 4), (3, 4), (3, 2)]
    assert visited(three_stages(None), 4, [1.0] * 7) == expected


def test_a_stage_ends_early_where_a_validation_reaches_its_threshold():
    # Stage 1 reaches .9 at its first validation, stage 2 never; the last takes the 20 - 3 - 5 that are left.
    scores = [0.9, 0.1, 0.89, 0.95, 0.95, 0.95, 0.95]
    assert visited(three_stages(0.9), 3, scores) == [(1, 3), (2, 3), (2, 2), *[(3, 3)] * 4]


def test_a_stage_that_is_the_last_one_does_not_end_at_its_threshold():
    only = Curriculum(Guessing(), (Stage(1, guessing_params(0.5), 3, 0.5),), 6)
    assert visited(only, 2, [1.0, 1.0, 1.0]) == [(1, 2), (1, 2), (1, 2)]


def small(**changes) -> Settings:
    """Settings whose stages are cheap to build."""
    sizes = {"n_ads": 3, "n_users": 3, "search_volume_mean": 8.0, "search_volume_std": 1.0}
    stages = {"stage1": {"iterations": 2}, "stage2": {"iterations": 3}, "stage3": {"iterations": 45}}
    return Settings(**{"curriculum": 3, "env_options": sizes, **stages, **changes})


def test_the_last_stage_of_three_is_the_market_that_methods_are_compared_in():
    curriculum = from_settings(Settings())
    params = curriculum.stages[2].params
    assert int(params.horizon) == curriculum.horizon == 24
    np.testing.assert_array_equal(params.search_volume_mean, np.full(24, 200, np.float32))
    np.testing.assert_array_equal(params.search_volume_std, np.full(24, 20, np.float32))
    shift = params.shift
    assert (float(shift.drift), float(shift.shock_factor), int(shift.shock_duration)) == (np.float32(0.3), 1.5, 1)
    assert [stage.iterations for stage in curriculum.stages] == [30, 30, 240]


def test_stages_share_one_program_and_differ_in_their_markets():
    curriculum = from_settings(Settings())
    budgets = [int(stage.params.initial_budget) for stage in curriculum.stages]
    volumes = [np.asarray(stage.params.search_volume_mean) for stage in curriculum.stages]
    assert budgets[0] > budgets[1] > budgets[2]
    assert np.ptp(volumes[1]) > 0
    assert np.ptp(volumes[0]) == np.ptp(volumes[2]) == 0


def test_options_of_a_stage_go_over_those_of_every_stage_and_these_over_its_own():
    settings = small(
        env_options={"n_ads": 3, "n_users": 3, "drift": 0.1, "shock_factor": 1.0, "day_curve": False},
        stage2={"iterations": 3, "options": {"drift": 0.2}},
    )
    drifts = [float(stage.params.shift.drift) for stage in from_settings(settings).stages]
    assert drifts == pytest.approx([0.1, 0.2, 0.1])


@pytest.mark.parametrize(("count", "updates"), [(1, 2), (2, 2 + 3), (3, 2 + 3 + 45)])
def test_a_curriculum_has_as_many_stages_as_are_asked_for_and_their_updates(count, updates):
    curriculum = from_settings(small(curriculum=count))
    assert [stage.number for stage in curriculum.stages] == list(range(1, count + 1))
    assert curriculum.iterations == updates


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"stage2": {"options": {"horizon": 3}}}, ValueError, "max_horizon is 24 in stage 1 and 3 in stage 2"),
        (
            {"stage2": {"options": {"n_ads": 4}}},
            ValueError,
            r"the shape of ad_features is \(3, 5\) in stage 1 and \(4, 5\)",
        ),
        ({"env_options": {"n_adds": 4}}, TypeError, "unknown option 'n_adds'; AdAuction takes preset, horizon"),
        ({"env_options": {"n_ads": 0}}, ValueError, r"n_ads must be an integer in \[1, 1000000\], got 0"),
        (
            {"env": "RTBEnv-continuous-v0"},
            ValueError,
            "stage1.options to stage3.options must be given: RTBEnv",
        ),
    ],
)
def test_stages_that_cannot_be_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        from_settings(small(**changes))
