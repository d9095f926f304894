"""The VecEnv: lane by lane what single environments give, infos as Stable-Baselines3 reads them, and its algorithms."""

import warnings

import gymnasium
import numpy as np
import pytest

import rtb_envs  # noqa: F401  (registers the ids)
from rtb_envs.adapters.gymnasium import GymEnv
from tests.toy import Toy

pytestmark = pytest.mark.sb3
TOY = Toy()
LANES = 4
# Walks in which some lanes end while others go on, several times each.
ACTIONS = np.random.default_rng(0).uniform(-0.5, 0.75, (24, LANES, 2)).round(2).astype(np.float32)


def make(core=TOY, num_envs=LANES, **options):
    from rtb_envs.adapters.stable_baselines import SB3VecEnv

    return SB3VecEnv(core, num_envs, **options)


def test_every_lane_is_the_single_environment_with_its_seed_and_infos_tell_of_ends_alone():
    envs, singles = make(), [GymEnv(TOY) for _ in range(LANES)]
    assert envs.seed(7) == [7, 8, 9, 10]
    observation = envs.reset()
    expected = [env.reset(seed=7 + lane)[0] for lane, env in enumerate(singles)]
    np.testing.assert_array_equal(observation, expected)
    returns, lengths, ends = np.zeros(LANES), np.zeros(LANES, int), {"terminated": 0, "truncated": 0}
    for actions in ACTIONS:
        observation, reward, done, infos = envs.step(actions)
        assert (reward.dtype, done.dtype) == (np.float32, bool)
        for lane, env in enumerate(singles):
            last, its_reward, terminated, truncated, info = env.step(actions[lane])
            assert (reward[lane], done[lane]) == (np.float32(its_reward), terminated or truncated)
            returns[lane] += its_reward
            lengths[lane] += 1
            if not done[lane]:
                np.testing.assert_array_equal(observation[lane], last)
                assert infos[lane] == {}
                continue
            ends["terminated" if terminated else "truncated"] += 1
            ours = infos[lane]
            np.testing.assert_array_equal(ours.pop("terminal_observation"), last)
            assert ours.pop("TimeLimit.truncated") is (truncated and not terminated)
            episode = ours.pop("episode")
            assert (episode["r"], episode["l"]) == (pytest.approx(returns[lane], rel=1e-6), lengths[lane])
            assert episode["t"] >= 0
            assert ours.keys() == info.keys()
            assert all(np.array_equal(ours[key], value) for key, value in info.items())
            returns[lane], lengths[lane] = 0, 0
            np.testing.assert_array_equal(observation[lane], env.reset()[0])
    assert min(ends.values()) >= 2


def test_what_a_caller_writes_into_an_info_is_in_no_other_one():
    envs = make()
    envs.reset()
    infos = envs.step(ACTIONS[0])[3]
    infos[0]["note"] = 1
    assert "note" not in infos[1]
    assert "note" not in envs.step(ACTIONS[1])[3][0]


def test_a_step_limit_truncates_and_a_reset_without_seeds_goes_on_to_other_episodes():
    envs = make("AdAuction-v0", 2, max_episode_steps=3)
    envs.seed(1)
    first, middle = envs.reset(), np.full((2, 1), 1, np.float32)
    runs = []
    for _ in range(2):
        rewards = [envs.step(middle) for _ in range(3)]
        assert [info["TimeLimit.truncated"] for info in rewards[-1][3]] == [True, True]
        runs.append([step[0].tolist() for step in rewards])
        envs.reset()
    assert runs[0] != runs[1]
    envs.seed(1)
    np.testing.assert_array_equal(envs.reset(), first)
    assert [envs.step(middle)[0].tolist() for _ in range(3)] == runs[0]


def test_attributes_and_methods_are_those_of_the_core_once_for_each_lane_asked_for():
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecMonitor

    envs = make()
    assert envs.get_attr("core") == [TOY] * LANES
    assert envs.get_attr("action_space", [0, -1]) == [TOY.action_space(TOY.default_params)] * 2
    assert envs.env_method("action_space", TOY.default_params, indices=2) == [TOY.action_space(TOY.default_params)]
    assert envs.has_attr("transition")
    assert not envs.has_attr("fare")
    assert envs.env_is_wrapped(Monitor) == [True] * LANES
    assert envs.env_is_wrapped(gymnasium.wrappers.TimeLimit, 0) == [False]
    with pytest.warns(UserWarning, match="statistics will be"):
        assert VecMonitor(envs).get_attr("id") == [TOY.id] * LANES
    with pytest.raises(IndexError):
        envs.get_attr("core", 4)
    with pytest.raises(AttributeError, match="params cannot be set, as all lanes are one compiled program"):
        envs.set_attr("params", 1)


def test_images_show_each_lane():
    envs = make("AdAuction-v0", 2, render_mode="rgb_array")
    envs.reset()
    envs.step(np.full((2, 1), 1, np.float32))
    images = envs.get_images()
    assert len(images) == 2
    assert images[0].shape == envs.env_method("render", indices=0)[0].shape
    assert envs.render().ndim == 3
    assert make("AdAuction-v0", 2).get_images() == [None, None]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda envs: envs.seed(-1), ValueError, "seed must be an integer in"),
        (lambda envs: envs.seed(1.5), TypeError, "seed must be an integer in"),
        (lambda envs: (envs.set_options({"mask": 1}), envs.reset()), ValueError, "options must be empty"),
        (lambda envs: envs.step(ACTIONS[0][:2]), ValueError, r"action must have shape \(4, 2\)"),
        (lambda envs: envs.step(ACTIONS[0] * np.nan), ValueError, "action must be a number in"),
        (lambda envs: envs.step_wait(), RuntimeError, r"call step_async\(actions\) before step_wait"),
        (lambda envs: (envs.step(ACTIONS[0]), envs.step_wait()), RuntimeError, "no step is under way"),
    ],
)
def test_wrong_use_is_refused_by_name(act, error, message):
    envs = make()
    envs.reset()
    with pytest.raises(error, match=message):
        act(envs)


@pytest.mark.parametrize("name", ["PPO", "DQN"])
def test_sb3s_algorithms_train_on_it_and_act_inside_the_action_space(name):
    import stable_baselines3

    kind = {"PPO": "AdAuction-v0", "DQN": "AdAuctionDiscrete-v0"}[name]
    envs = make(kind, 16)
    sizes = {
        "PPO": {"n_steps": 35, "batch_size": 280, "n_epochs": 2},
        "DQN": {"learning_starts": 320, "buffer_size": 5000, "train_freq": 5},
    }
    model = getattr(stable_baselines3, name)("MlpPolicy", envs, seed=0, device="cpu", **sizes[name])
    before = [weight.detach().clone() for weight in model.policy.parameters()]
    model.learn(2240)
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters(), strict=True))
    # AdAuction's episodes have 7 steps, and the last 100 are kept.
    assert [episode["l"] for episode in model.ep_info_buffer] == [7] * 100
    action, _ = model.predict(envs.reset(), deterministic=True)
    space = envs.action_space
    assert all(space.contains(np.asarray(each, space.dtype)) for each in action)


def test_vec_monitor_and_vec_normalize_work_on_it():
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # VecMonitor's, that its figures take the place of the infos' own.
        envs = VecNormalize(VecMonitor(make("AdAuction-v0", 8), info_keywords=("episode_conversion",)))
    envs.seed(3)
    envs.reset()
    for _ in range(7):
        observation, _, done, infos = envs.step(np.full((8, 1), 1, np.float32))
    assert done.all()
    for info in infos:
        assert info["episode"]["l"] == 7
        assert info["episode"]["r"] == info["episode"]["episode_conversion"] == info["episode_conversion"]
        assert np.abs(info["terminal_observation"]).max() <= 10
    assert np.abs(observation).max() <= 10

    class Middle:
        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            return np.full((len(observation), 1), 1, np.float32), state

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = make("AdAuction-v0", 8)
        plain.seed(3)
        returns, lengths = evaluate_policy(Middle(), plain, 8, return_episode_rewards=True)
    assert lengths == [7] * 8
    assert sorted(returns) == sorted(info["episode_conversion"] for info in infos)
