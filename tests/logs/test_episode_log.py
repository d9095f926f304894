"""What a log tells of given episodes, and the files that it becomes."""

from dataclasses import replace

import numpy as np
import polars
import pytest
from gymnasium import spaces

from rtb_envs.logs import AuctionLog, EpisodeLog


@pytest.fixture
def log():
    """Two episodes, of three steps and of one."""
    return EpisodeLog(
        env_id="Market-v0",
        options=None,
        observation_space=spaces.Box(0, 9, (2,), np.float32),
        action_space=spaces.Discrete(3),
        seed=0,
        lengths=np.array([3, 1]),
        observation=np.array([[0, 1], [1, 2], [2, 3], [0, 5]], np.float32),
        final_observation=np.array([[3, 4], [1, 6]], np.float32),
        action=np.array([0, 2, 1, 1], np.int32),
        log_propensity=np.log(np.array([0.5, 0.25, 0.5, 1.0], np.float32)),
        reward=np.array([1.0, 0.0, 2.5, -1.0], np.float32),
        terminated=np.array([False, False, True, False]),
        truncated=np.array([False, False, False, True]),
        info={"cost": np.array([3, 0, 1, 2], np.int32)},
    )


def test_steps_know_their_episode_and_what_was_seen_after_them(log):
    assert log.episode.tolist() == [0, 0, 0, 1]
    assert log.step.tolist() == [0, 1, 2, 0]
    assert log.next_observation.tolist() == [[1, 2], [2, 3], [3, 4], [1, 6]]
    assert log.returns.tolist() == [3.5, -1]
    assert log.by_episode(log.reward).tolist() == [[1, 0, 2.5], [-1, 0, 0]]
    assert log.by_episode(log.observation).shape == (2, 3, 2)


def test_the_text_tells_sizes_and_mean_return(log):
    sizes = "EpisodeLog of Market-v0: 2 episodes, 4 steps, with propensities"
    assert repr(log) == f"{sizes}, mean return 1.25 (standard deviation 3.182)"


def test_logs_are_joined_episode_by_episode(log):
    joined = EpisodeLog.concatenate([log, log])
    assert joined.lengths.tolist() == [3, 1, 3, 1]
    assert joined.frame()["info_cost"].to_list() == [3, 0, 1, 2, 3, 0, 1, 2]
    assert EpisodeLog.concatenate([replace(log, log_propensity=None)] * 2).log_propensity is None


def test_the_frame_has_a_row_a_step(log):
    frame = log.frame()
    assert frame.columns == [
        *("episode", "step", "observation", "action", "log_propensity", "reward", "terminated", "truncated"),
        *("next_observation", "info_cost"),
    ]
    assert frame.height == 4
    assert frame.schema["observation"] == polars.Array(polars.Float32, 2)
    assert frame["next_observation"].to_list() == log.next_observation.tolist()
    unknown = replace(log, log_propensity=None).frame()
    assert unknown.schema == frame.schema
    assert unknown["log_propensity"].null_count() == 4


def test_a_parquet_file_holds_the_frame_and_is_replaced(log, tmp_path):
    for written in (replace(log, log_propensity=None), log):
        path = written.to_parquet(tmp_path / "deep" / "log.parquet")
        assert polars.read_parquet(path).equals(written.frame())
    assert [file.name for file in path.parent.iterdir()] == ["log.parquet"]


@pytest.mark.parametrize("kind", [EpisodeLog, AuctionLog])
def test_no_logs_can_not_be_one(kind):
    with pytest.raises(ValueError, match=r"logs must be at least one log, got \[\]"):
        kind.concatenate([])
