"""The functional contract of every environment, its batched form, and ``make``.

An environment is written for one market; a batch is ``jax.vmap`` over it. Randomness is an input: ``noise`` is the only
function that reads a key, ``transition`` is deterministic, so that recorded draws can be replayed and two policies
meet the same market.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from rtb_envs.action_scale import ActionScale
from rtb_envs.compile import prepare
from rtb_envs.pytrees import pytree
from rtb_envs.registry import EnvSpec, find
from rtb_envs.registry import list_envs as list_envs
from rtb_envs.registry import register as register

if TYPE_CHECKING:
    import gymnasium

ParamsT = TypeVar("ParamsT")
StateT = TypeVar("StateT")
NoiseT = TypeVar("NoiseT")
Info = dict[str, Array]
AutoReset = Literal["next_step", "same_step", "disabled"]


class FunctionalCore(ABC, Generic[ParamsT, StateT, NoiseT]):
    """One market as pure functions: what environments of one agent (``Environment``) and of many have in common.

    Keys: the ``key`` of ``reset_env`` and ``step_env`` is the episode's key, the same in every step; noise of step t is
    addressed by (key, t). A fresh key in every step is also valid. ``terminated`` says that the task has ended,
    ``truncated`` that it was cut off; no function here resets by itself but ``step``.
    """

    id: str
    options: dict[str, Any] | None = None
    """What ``make`` built it from besides its id; None where it was built otherwise."""
    render_panels: tuple[RenderPanel, ...] = ()
    lanes_at_once: int = 2048
    """Most lanes that a rollout steps together: more where a step is little work, fewer would fill caches better."""

    @property
    @abstractmethod
    def default_params(self) -> ParamsT:
        """The numbers of the world as configured."""

    @property
    def action_scale(self) -> ActionScale:
        """How a policy should spread itself over a Box of actions: evenly, or evenly in the logarithm; a tuple says it
        of each entry along an action's last axis.
        """
        return "linear"

    @abstractmethod
    def over(self, terminated: Array, truncated: Array) -> Array:
        """Whether the episode has ended, given a step's flags; leading axes are a batch."""

    @abstractmethod
    def reset_noise(self, key: Array, params: ParamsT) -> NoiseT:
        """The draws that begin an episode."""

    @abstractmethod
    def initial(self, noise: NoiseT, params: ParamsT) -> StateT:
        """The state that begins an episode, given its draws."""

    @abstractmethod
    def noise(self, key: Array, state: StateT, params: ParamsT) -> NoiseT:
        """The draws of one step, addressed by the episode's key and the state's time."""

    @abstractmethod
    def transition(
        self, state: StateT, action: Array, noise: NoiseT, params: ParamsT
    ) -> tuple[StateT, Array, Array, Array, Info]:
        """State, reward, terminated, truncated, info after one step; deterministic."""

    @abstractmethod
    def observe(self, state: StateT, params: ParamsT) -> Array:
        """What the agent may see of the state."""

    def reset_env(self, key: Array, params: ParamsT) -> tuple[Array, StateT]:
        """First observation and state of the episode of ``key``."""
        state = self.initial(self.reset_noise(key, params), params)
        return self.observe(state, params), state

    def step_env(
        self, key: Array, state: StateT, action: Array, params: ParamsT
    ) -> tuple[Array, StateT, Array, Array, Array, Info]:
        """Observation, state, reward, terminated, truncated, info; the observation after the end is the true one."""
        noise = self.noise(key, state, params)
        state, reward, terminated, truncated, info = self.transition(state, action, noise, params)
        return self.observe(state, params), state, reward, terminated, truncated, info

    def reset(self, key: Array, params: ParamsT) -> tuple[Array, StateT]:
        """``reset_env`` under the name that functional environments share."""
        return self.reset_env(key, params)

    def step(
        self, key: Array, state: StateT, action: Array, params: ParamsT
    ) -> tuple[Array, StateT, Array, Array, Array, Info]:
        """``step_env`` that begins a new episode by a select when one ends; ``info["final_observation"]`` is the true
        last observation.

        Give it a fresh key in every call: the new episode draws from fold_in(key, 1), so that under one constant key
        every later episode is the same. For interoperability and small states: large states reset through
        ``reset_where``, which costs nothing while no episode ends.
        """
        observation, after, reward, terminated, truncated, info = self.step_env(key, state, action, params)
        fresh_observation, fresh = self.reset_env(jax.random.fold_in(key, 1), params)
        over = self.over(terminated, truncated)
        info = {**info, "final_observation": observation}
        after, observation = _select(over, (fresh, fresh_observation), (after, observation))
        return observation, after, reward, terminated, truncated, info


class Environment(FunctionalCore[ParamsT, StateT, NoiseT]):
    """One market with one agent; every array of the contract is without an agent axis."""

    @abstractmethod
    def observation_space(self, params: ParamsT) -> gymnasium.spaces.Space[Any]:
        """What ``observe`` returns for these (concrete) parameters."""

    @abstractmethod
    def action_space(self, params: ParamsT) -> gymnasium.spaces.Space[Any]:
        """What ``transition`` takes for these (concrete) parameters; compiled code clips to it."""

    def over(self, terminated: Array, truncated: Array) -> Array:
        return terminated | truncated


@pytree
@dataclass(frozen=True)
class Lanes(Generic[StateT]):
    """A batch of markets in progress; every array leads with the lane axis [lanes].

    ``keys`` are the episodes' keys: fold_in(lane_keys, episode), made once an episode. ``over`` marks the lanes
    whose episode has ended and that have not begun a new one.
    """

    lane_keys: Array
    episode: Array
    keys: Array
    state: StateT
    observation: Array
    over: Array


@pytree
@dataclass(frozen=True)
class Outcome:
    """What one batched step returned; every array leads with the lane axis [lanes], then agents if there are many."""

    reward: Array
    terminated: Array
    truncated: Array
    info: Info
    final_observation: Array


def start_batch(
    env: FunctionalCore[ParamsT, StateT, Any], lane_keys: Array, params: ParamsT, params_axis: int | None = None
) -> Lanes[StateT]:
    """Begin episode 0 in every lane. ``params_axis=0`` gives every lane its own parameters."""
    episode = jnp.zeros(lane_keys.shape[0], jnp.int32)
    keys = jax.vmap(jax.random.fold_in)(lane_keys, episode)
    observation, state = jax.vmap(env.reset_env, (0, params_axis))(keys, params)
    return Lanes(lane_keys, episode, keys, state, observation, jnp.zeros(lane_keys.shape[0], bool))


def step_batch(
    env: FunctionalCore[ParamsT, StateT, Any],
    lanes: Lanes[StateT],
    action: Array,
    params: ParamsT,
    params_axis: int | None = None,
) -> tuple[Lanes[StateT], Outcome]:
    """Step every lane once; no lane is reset."""
    step = jax.vmap(env.step_env, (0, 0, 0, params_axis))
    observation, state, reward, terminated, truncated, info = step(lanes.keys, lanes.state, action, params)
    after = replace(lanes, state=state, observation=observation, over=env.over(terminated, truncated))
    return after, Outcome(reward, terminated, truncated, info, observation)


def reset_where(
    env: FunctionalCore[ParamsT, StateT, Any],
    mask: Array,
    lanes: Lanes[StateT],
    params: ParamsT,
    params_axis: int | None = None,
) -> Lanes[StateT]:
    """Begin the next episode in the lanes of ``mask`` [lanes]; costs nothing while the mask is empty."""

    def begin(lanes: Lanes[StateT]) -> Lanes[StateT]:
        episode = lanes.episode + 1
        keys = jax.vmap(jax.random.fold_in)(lanes.lane_keys, episode)
        observation, state = jax.vmap(env.reset_env, (0, params_axis))(keys, params)
        fresh = Lanes(lanes.lane_keys, episode, keys, state, observation, jnp.zeros_like(lanes.over))
        chosen: Lanes[StateT] = _select(mask, fresh, lanes)
        return chosen

    after: Lanes[StateT] = lax.cond(jnp.any(mask), begin, lambda lanes: lanes, lanes)
    return after


def autoreset_batch(
    env: FunctionalCore[ParamsT, StateT, Any],
    lanes: Lanes[StateT],
    action: Array,
    params: ParamsT,
    mode: AutoReset = "same_step",
    params_axis: int | None = None,
) -> tuple[Lanes[StateT], Outcome]:
    """Step every lane and reset those that are over, as Gymnasium's auto-reset modes say.

    ``same_step``: after the step, in the same call. ``next_step``: at the next call, whose action, reward (0) and
    flags (False) do not count for that lane. ``disabled``: never; call ``reset_where``.
    """
    if mode == "same_step":
        after, outcome = step_batch(env, lanes, action, params, params_axis)
        return reset_where(env, after.over, after, params, params_axis), outcome
    if mode == "disabled":
        return step_batch(env, lanes, action, params, params_axis)
    waiting = lanes.over
    begun = reset_where(env, waiting, lanes, params, params_axis)
    after, outcome = step_batch(env, begun, action, params, params_axis)
    silent = Outcome(
        jnp.zeros_like(outcome.reward),
        jnp.zeros_like(outcome.terminated),
        jnp.zeros_like(outcome.truncated),
        jax.tree.map(jnp.zeros_like, outcome.info),
        begun.observation,
    )
    kept: tuple[Lanes[StateT], Outcome] = lax.cond(
        jnp.any(waiting), lambda: _select(waiting, (begun, silent), (after, outcome)), lambda: (after, outcome)
    )
    return kept


def _select(mask: Array, chosen: Any, otherwise: Any) -> Any:
    """Leaf-wise ``where`` with the mask's axes leading."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)

    return jax.tree.map(pick, chosen, otherwise)


@dataclass(frozen=True)
class RenderPanel:
    """One curve that a person should see of an episode: an entry of info or of the observation, by name.

    ``source`` is a key of the step's info; ``title`` names the quantity, ``unit`` its unit.
    """

    source: str
    title: str
    unit: str


def make(id: str, **options: Any) -> Environment[Any, Any, Any]:
    """Build the functional core registered under ``id``; ``options`` are its configuration.

    Raises ValueError for an unknown id, and what the environment raises for a wrong option.
    """
    env: Environment[Any, Any, Any] = build(find(id), options)
    return env


def build(spec: EnvSpec, options: dict[str, Any]) -> Any:
    """The functional core that a registry entry names, made with ``options`` over the entry's own."""
    prepare()  # before an environment makes its first array, which starts JAX's backend
    module, _, name = spec.entry_point.partition(":")
    core = getattr(importlib.import_module(module), name)(**{**spec.options, **options})
    core.id = spec.id
    core.options = options
    return core
