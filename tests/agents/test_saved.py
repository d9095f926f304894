"""Saved policies: the same actions after a round trip, and clear words for what is no saved policy."""

import json

import jax
import numpy as np
import pytest

import agents
from agents.saved import AGENTS_FOLDER, FILE_NAME
from rtb_envs.adapters.gymnasium import GymEnv
from rtb_envs.adapters.gymnasium_vector import GymVectorEnv

OBSERVATIONS = np.array([[0, 0.5], [1, 0], [0, -0.5], [0, 2]], np.float32)


@pytest.fixture(params=["discrete", "continuous", "valued"])
def trained(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def policy(trained):
    return trained.learner.policy(trained.state)


def acts(saved, single):
    """The bytes of all actions: one environment's after another, or the batch's twice in one episode."""
    saved.reset()
    if single:
        return b"".join(np.asarray(saved.act(observation)).tobytes() for observation in OBSERVATIONS)
    return saved.act(OBSERVATIONS).tobytes() + saved.act(OBSERVATIONS[::-1]).tobytes()


@pytest.mark.parametrize("single", [True, False])
def test_a_loaded_policy_acts_as_the_one_that_was_saved_bit_for_bit(policy, tmp_path, single):
    agents.save(policy, tmp_path)
    loaded = agents.load(tmp_path)
    assert jax.tree.structure(loaded.policy) == jax.tree.structure(policy)
    assert acts(loaded, single) == acts(agents.SavedPolicy(policy), single)


def test_actions_lie_in_the_action_space_for_one_observation_and_for_a_batch(trained, policy, tmp_path):
    space = trained.learner.env.action_space(trained.params)
    loaded = agents.load(agents.save(policy, tmp_path))
    first = loaded.act(OBSERVATIONS[0])
    assert space.contains(first)
    assert space.contains(loaded.act(OBSERVATIONS[1].astype(np.float64).tolist()))
    loaded.reset()
    batch = loaded.act(OBSERVATIONS)
    assert all(space.contains(action) for action in batch)
    np.testing.assert_allclose(batch[0], first, rtol=1e-5)


def test_reset_forgets_the_episodes_that_are_over_and_no_others(continuous):
    saved = agents.SavedPolicy(continuous.learner.policy(continuous.state))
    first = saved.act(OBSERVATIONS)

    def begin():
        """An episode whose past differs from the observation to come, so that remembering it shows."""
        saved.reset()
        saved.act(OBSERVATIONS[::-1])
        saved.act(OBSERVATIONS[::-1])

    begin()
    later = saved.act(OBSERVATIONS)
    assert (later != first).all()
    begin()
    over = np.array([True, False, False, True])
    saved.reset(over)
    assert saved.act(OBSERVATIONS).tolist() == np.where(over[:, None], first, later).tolist()
    with pytest.raises(ValueError, match=r"over must be booleans of shape \(4,\)"):
        saved.reset([True])


def test_in_next_step_mode_a_lane_forgets_before_its_new_episode_begins(continuous):
    """The loop that the documentation shows gives each lane the actions of that lane alone, episode after episode."""
    core, policy = continuous.learner.env, continuous.learner.policy(continuous.state)
    steps, lanes = 12, 3
    envs, saved = GymVectorEnv(core, num_envs=lanes), agents.SavedPolicy(policy)
    observations, _ = envs.reset(seed=0)
    over, taken, episodes = np.zeros(lanes, bool), [[] for _ in range(lanes)], 0
    for _ in range(steps):
        actions = saved.act(observations)
        saved.reset(over)
        for lane in np.flatnonzero(~over):
            taken[lane].append(actions[lane])
        observations, _, terminations, truncations, _ = envs.step(actions)
        over = terminations | truncations
        episodes += over.sum()
    assert episodes > 2 * lanes
    env, alone = GymEnv(core), agents.SavedPolicy(policy)
    for lane in range(lanes):
        observation, _ = env.reset(seed=lane)
        alone.reset()
        for action in taken[lane]:
            expected = alone.act(observation)
            np.testing.assert_allclose(action, expected, rtol=1e-5)
            observation, _, terminated, truncated, _ = env.step(expected)
            if terminated or truncated:
                observation, _ = env.reset()
                alone.reset()


def test_a_batch_of_another_size_needs_a_reset(discrete):
    saved = agents.SavedPolicy(discrete.learner.policy(discrete.state))
    saved.act(OBSERVATIONS)
    with pytest.raises(ValueError, match=r"observation must be of 4 environments, as before, got 1: call reset\(\)"):
        saved.act(OBSERVATIONS[0])
    saved.reset()
    saved.act(OBSERVATIONS[0])


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (np.zeros(3), r"observation must have shape \(2,\) or \(batch, 2\), got shape \(3,\)"),
        (np.zeros(()), r"observation must have shape \(2,\) or \(batch, 2\), got shape \(\)"),
        (np.zeros((1, 1, 2)), r"got shape \(1, 1, 2\)"),
        (np.array([0, np.nan]), "observation must be finite"),
        ("x", "observation must be numbers, got 'x'"),
    ],
)
def test_observations_that_do_not_fit_are_refused(discrete, observation, message):
    with pytest.raises(ValueError, match=message):
        agents.SavedPolicy(discrete.learner.policy(discrete.state)).act(observation)


def test_a_folder_without_a_policy_is_said_to_have_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no file .*{FILE_NAME}"):
        agents.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere"):
        agents.load(tmp_path / "nowhere")


def test_an_agent_that_a_team_has_not_is_refused_with_those_that_it_has(policy, tmp_path):
    for name in ("seat_1", "seat_0"):
        agents.save(policy, tmp_path / AGENTS_FOLDER / name)
    for unknown in ("x", 0, None):
        with pytest.raises(ValueError, match=f"agent must be one of seat_0, seat_1 for the run of .*; got {unknown!r}"):
            agents.load(tmp_path, agent=unknown)
    assert agents.load(tmp_path, agent="seat_1").policy.spec == policy.spec
    with pytest.raises(FileNotFoundError, match="agent must be left out but for the run of a team, got 0"):
        agents.load(tmp_path / "elsewhere", agent=0)


def damaged(path, how):
    """Spoil a saved policy."""
    content = bytearray(path.read_bytes())
    with np.load(path) as archive:
        arrays = dict(archive)
    spec = json.loads(str(arrays["spec"]))
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a byte flipped":
        header = content.index(b"NUMPY", content.index(b"Dense_0/kernel"))
        content[header + 200] ^= 1  # NumPy's header takes 128 bytes, the kernel 256.
        path.write_bytes(content)
    elif how == "not an archive":
        path.write_text("a policy, honestly")
    elif how == "an array missing":
        np.savez(path, **{name: array for name, array in arrays.items() if not name.endswith("mean")})
    elif how == "another shape":
        np.savez(path, **{**arrays, "spec": np.array(json.dumps({**spec, "hidden_sizes": [7]}))})
    elif how == "a later format":
        np.savez(path, **{**arrays, "spec": np.array(json.dumps({**spec, "format": 99}))})
    elif how == "no spec":
        np.savez(path, weights=np.zeros(3))


@pytest.mark.parametrize(
    "how",
    [
        "cut",
        "empty",
        "a byte flipped",
        "not an archive",
        "an array missing",
        "another shape",
        "a later format",
        "no spec",
    ],
)
def test_a_damaged_file_is_refused_by_name(discrete, tmp_path, how):
    path = agents.save(discrete.learner.policy(discrete.state), tmp_path)
    damaged(path, how)
    with pytest.raises(ValueError, match=f"{FILE_NAME} must be a saved policy, but it is damaged or of another kind"):
        agents.load(tmp_path)


def test_a_save_that_fails_leaves_the_earlier_policy(discrete, continuous, tmp_path, monkeypatch):
    agents.save(discrete.learner.policy(discrete.state), tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()

    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agents.save(continuous.learner.policy(continuous.state), tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before
