"""Logs as Minari datasets: read by Minari itself, and back again."""

import gymnasium
import minari
import numpy as np
import pytest

import rtb_envs
from rtb_envs.logs import minari_datasets, read_minari
from rtb_envs.policies.exploration import EpsilonGreedy
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.uniform_random import UniformRandom
from tests.toy import Toy

OPTIONS = {"horizon": 3, "search_volume_mean": 30, "initial_budget": 300}
ID = "rtb/ad-auction/explored-v0"


@pytest.fixture(scope="module")
def log():
    env = rtb_envs.make("AdAuctionDiscrete-v0", **OPTIONS)
    return rtb_envs.log_episodes(env, EpsilonGreedy.for_env(env, Linear.for_env(env), epsilon=0.2), 4, seed=0)


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    """The folder that Minari is told to keep its datasets in."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def test_minari_reads_the_episodes_the_spaces_and_the_environment(log, datasets):
    folder = log.to_minari(ID, description="linear bids, explored")
    assert folder == datasets / ID
    assert list(minari.list_local_datasets()) == [ID]
    dataset = minari.load_dataset(ID)
    assert (dataset.total_episodes, dataset.total_steps) == (4, 12)
    assert dataset.observation_space == log.observation_space
    assert dataset.action_space == gymnasium.spaces.Discrete(10)
    assert dataset.storage.metadata["description"] == "linear bids, explored"
    episode = dataset[2]
    rows = slice(6, 9)
    np.testing.assert_array_equal(episode.observations[:-1], log.observation[rows])
    np.testing.assert_array_equal(episode.observations[-1], log.final_observation[2])
    np.testing.assert_array_equal(episode.actions, log.action[rows])
    np.testing.assert_array_equal(episode.rewards, log.reward[rows])
    assert episode.terminations.tolist() == [False, False, True]
    assert episode.infos["log_propensity"].shape == (4,)
    np.testing.assert_array_equal(episode.infos["log_propensity"][1:], log.log_propensity[rows])
    env = dataset.recover_environment()
    assert env.spec.id == "AdAuctionDiscrete-v0"
    assert int(env.unwrapped.core.default_params.horizon) == 3
    assert env.observation_space == dataset.observation_space


def test_a_log_comes_back_as_it_was_written(log):
    log.to_minari("explored-v1")
    back = read_minari("explored-v1")
    assert (back.env_id, back.options) == ("AdAuctionDiscrete-v0", OPTIONS)
    assert back.action_space == log.action_space
    for name in ("observation", "final_observation", "action", "log_propensity", "reward", "terminated", "truncated"):
        mine, its = getattr(log, name), getattr(back, name)
        np.testing.assert_array_equal(its, mine)
        assert its.dtype == mine.dtype, name
    assert back.info.keys() == log.info.keys()
    np.testing.assert_array_equal(back.info["cost"], log.info["cost"])
    np.testing.assert_array_equal(back.lengths, log.lengths)


def test_an_environment_that_no_id_makes_leaves_its_spaces_only(datasets):
    env = Toy()
    log = rtb_envs.log_episodes(env, UniformRandom.for_env(env), 2, seed=0, max_steps=3)
    log.to_minari("walk-v0")
    dataset = minari.load_dataset("walk-v0")
    assert dataset.spec.env_spec is None
    assert dataset.action_space == log.action_space
    back = read_minari("walk-v0")
    assert (back.env_id, back.options) == ("walk-v0", None)
    np.testing.assert_array_equal(back.info["visited"], log.info["visited"])


def test_options_that_json_can_not_hold_leave_the_spaces_only(log):
    from dataclasses import replace

    replace(log, options={"market_price": object()}).to_minari("law-v0")
    assert minari.load_dataset("law-v0").spec.env_spec is None


def test_a_write_that_fails_leaves_no_dataset(log, datasets, monkeypatch):
    whole = minari_datasets._episodes

    def broken(log):
        yield next(whole(log))
        raise OSError("disk is full")

    monkeypatch.setattr(minari_datasets, "_episodes", broken)
    with pytest.raises(OSError, match="disk is full"):
        log.to_minari("broken-v0")
    assert list(datasets.iterdir()) == []


@pytest.mark.parametrize("dataset_id", ["", "no-version", "../escape-v0", "a b-v0", "a/b-v0"])
def test_ids_of_another_form_are_refused(log, dataset_id):
    with pytest.raises(ValueError, match=r'dataset_id must be of the form "\(namespace/\)name-v0", a namespace of'):
        log.to_minari(dataset_id)


def test_a_dataset_is_never_overwritten(log):
    log.to_minari("once-v0")
    with pytest.raises(ValueError, match=r"dataset_id must be new, but there is the folder .*once-v0, got 'once-v0'"):
        log.to_minari("once-v0")


def test_the_folder_of_datasets_may_be_relative(log, datasets, monkeypatch):
    monkeypatch.chdir(datasets)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "here")
    assert log.to_minari("near-v0") == datasets / "here" / "near-v0"
    assert minari.load_dataset("near-v0").total_episodes == 4


def test_a_dataset_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(FileNotFoundError, match="nowhere-v0"):
        read_minari("nowhere-v0")
