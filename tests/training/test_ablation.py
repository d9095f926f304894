import json
import math

import jax
import numpy as np
import polars as pl
import pytest
from rich.console import Console

from rtb_envs.files import write_json
from tests.training.test_teams import SMALL
from training import ablation
from training.ablation import KINDS, compare, settings_of
from training.ablation_report import curves, table
from training.loading import ConfigurationError
from training.run import RunError
from training.settings import Settings
from training.teams import TeamTask

SETTINGS = Settings(**SMALL)


def test_both_kinds_train_as_long_end_in_the_same_market_and_are_validated_at_the_same_times():
    curriculum, scratch = (settings_of(kind, SETTINGS, 3) for kind in KINDS)
    assert curriculum.seed == scratch.seed == 3
    assert curriculum.iterations == scratch.iterations
    assert curriculum.validation == scratch.validation
    staged, joint = (TeamTask(settings).curriculum for settings in (curriculum, scratch))
    assert [len(staged.stages), len(joint.stages)] == [3, 1]
    markets = (jax.tree.leaves(one.stages[-1].training_params) for one in (staged, joint))
    for ours, theirs in zip(*markets, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture
def runs(tmp_path):
    """Validations of 5 seeds of both kinds, as if they had been trained: every second update of 8, stage 3 from 5 on.

    Profits of two episodes: by the curriculum 100 t + s before and after, by the other 40 t - s.
    """
    for seed in range(5):
        for kind in KINDS:
            rows = []
            for iteration in (2, 4, 6, 8):
                stage = 1 if kind == "scratch" else 1 + (iteration > 2) + (iteration > 4)
                value = 100 * iteration + seed if kind == "curriculum" else 40 * iteration - seed
                common = {"iteration": iteration, "environment_steps": 10 * iteration, "stage": stage}
                rows += [{**common, "seed": i, "value": value + off, "score": 1.5} for i, off in ((0, -7.0), (1, 7.0))]
            folder = tmp_path / f"{kind}-seed{seed}"
            folder.mkdir()
            pl.DataFrame(rows).write_parquet(folder / "validation.parquet")
    return tmp_path


def test_the_area_is_the_mean_profit_over_the_last_stage_and_differences_are_paired(runs):
    results = compare(SETTINGS, 5, runs)
    assert results["opportunities"] == [60, 80]
    area = results["profit"]["area"]
    # At updates 6 and 8: 100 * 7 + s and 40 * 7 - s on the mean, a difference of 420 + 2 s.
    assert area["curriculum"]["by_seed"] == [700, 701, 702, 703, 704]
    assert area["scratch"]["by_seed"] == [280, 279, 278, 277, 276]
    assert area["difference"]["estimate"] == 424
    half = 2.776 * 2 * math.sqrt(2.5 / 5)
    assert area["difference"]["low"] == pytest.approx(424 - half, abs=1e-2)
    assert results["profit"]["end"]["difference_by_seed"] == [480, 482, 484, 486, 488]
    assert results["nash_welfare"]["area"]["difference"]["estimate"] == 0


def test_one_seed_has_no_interval_and_no_validation_in_common_is_refused(runs):
    assert compare(SETTINGS, 1, runs)["profit"]["area"]["difference"] is None
    late = pl.read_parquet(runs / "scratch-seed0" / "validation.parquet").filter(pl.col("iteration") != 6)
    late.write_parquet(runs / "scratch-seed0" / "validation.parquet")
    with pytest.raises(RunError, match="fewer than 2 validations in common in stage 3"):
        compare(SETTINGS, 1, runs)


def test_table_and_picture_show_the_results_as_they_were_written(runs):
    results = {"preset": "quick", **compare(SETTINGS, 5, runs)}
    write_json(runs / "ablation.json", results)
    assert json.loads((runs / "ablation.json").read_text()) == results
    assert next(iter(table(results).columns[3].cells)).startswith("+424")
    labels = [axes.get_ylabel() for axes in curves(results).axes]
    assert labels == ["profit of the team ($ an episode)", "Nash welfare (× the strategy set's)"]


def test_an_unknown_preset_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="preset must be one of quick, full, got 'slow'"):
        ablation.ablation(5, "slow", tmp_path, Console(quiet=True))
