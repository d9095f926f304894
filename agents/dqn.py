"""Deep Q-learning (Mnih et al., 2015) with double and n-step targets and dueling networks, compiled from the
environment's step on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Float, Int

from agents.collection import LEARNER, Playing, Rollout, begin, begin_anew, play
from agents.distributions import Categorical, DiscreteActions, actions_of
from agents.dqn_settings import DQNSettings
from agents.memory import Memory
from agents.network_policy import NetworkPolicy, PolicySpec
from agents.networks import Critic
from agents.normalization import ObservationNormalizer, RewardNormalizer
from agents.q_targets import double_q_targets, n_step_returns
from agents.replay import Replay
from agents.schedules import annealed, linear
from rtb_envs import validation
from rtb_envs.core import Environment, Lanes
from rtb_envs.pytrees import pytree


class Transition(NamedTuple):
    """A choice and what came of it; arrays may lead with any axes. Rewards and views are as the environment has them,
    so that the normalisers of the day apply to old transitions too.
    """

    view: Float[Array, "*batch 1+decays *observation"]
    latent: Int[Array, "*batch"]
    reward: Float[Array, "*batch"]
    """The n-step return."""
    discount: Float[Array, "*batch"]
    next_view: Float[Array, "*batch 1+decays *observation"]


@pytree
@dataclass(frozen=True)
class DQNState:
    """Everything that decides what the next update does."""

    weights: dict[str, Any]
    """Of the networks of the advantages and of the state's value."""
    target_weights: dict[str, Any]
    optimizer: optax.OptState
    observations: ObservationNormalizer
    rewards: RewardNormalizer
    replay: Replay
    lanes: Lanes[Any]
    memory: Memory
    """Of each lane, before its present observation."""
    episode_return: Float[Array, "lanes"]
    """Of the episodes in progress, not discounted."""
    key: Array
    updates: Array
    """Updates made so far, int32."""


class DQN:
    """The learner: ``init`` makes a state, ``update`` improves it, ``policy`` reads the policy off it. All pure.

    The value of an action is the state's value plus the action's advantage, each from a network of its own (dueling
    networks: Wang et al., ICML 2016, eq. 9, which share a trunk). The network of the advantages is the policy's: its
    logits are the advantages, and the most probable action is the greedy one. Raises ValueError or TypeError for wrong
    settings and for spaces that it cannot serve.
    """

    def __init__(self, env: Environment[Any, Any, Any], settings: DQNSettings) -> None:
        settings.validate()
        self.env, self.settings = env, settings
        params = env.default_params
        actions = actions_of(env.action_space(params), env.action_scale)
        if not isinstance(actions, DiscreteActions):
            raise validation.wrong_type("action_space", "Discrete for DQN", env.action_space(params))
        # Where an action is a choice of several kinds, each kind has outputs of its own, which all actions train
        # (Tavakoli, Pardo & Kormushev, "Action Branching Architectures", AAAI 2018).
        actions = replace(actions, factors=getattr(env, "action_factors", ()))
        self._actions = actions
        self._spec = PolicySpec(
            observation_shape=tuple(env.observation_space(params).shape or ()),
            actions=actions,
            hidden_sizes=settings.hidden_sizes,
            activation=settings.activation,
            memory_decays=settings.memory_decays,
        )
        self._critic = Critic(settings.hidden_sizes, settings.activation)
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(settings.max_gradient_norm),
            optax.scale_by_adam(eps=1e-5),
        )

    @property
    def steps_per_update(self) -> int:
        """Environment steps that one update takes, all lanes together."""
        return self.settings.num_envs * self.settings.num_steps

    def init(self, seed: int, params: Any) -> DQNState:
        """The state before the first update; equal seeds give equal states."""
        s = self.settings
        advantage_key, value_key, key = jax.random.split(jax.random.fold_in(jax.random.key(seed), LEARNER), 3)
        observations = ObservationNormalizer.start(self._spec.view_shape)
        view = jnp.zeros(self._spec.view_shape)
        features = observations.features(view)
        weights = {
            "advantage": self._spec.actor.init(advantage_key, features),
            "value": self._critic.init(value_key, features),
        }
        playing = begin(self.env, self._spec, seed, s.num_envs, params, s.params_axis)
        lanes = playing.episode_return.shape
        return DQNState(
            weights=weights,
            target_weights=weights,
            optimizer=self._optimizer.init(weights),
            observations=observations,
            rewards=RewardNormalizer.start(lanes),
            replay=Replay.start(Transition(view, jnp.int32(0), jnp.zeros(()), jnp.zeros(()), view), s.replay_size),
            **playing._asdict(),
            key=key,
            updates=jnp.zeros((), jnp.int32),
        )

    def restart(self, state: DQNState, params: Any) -> DQNState:
        """``state`` with a new episode begun in every lane and the former market's transitions forgotten."""
        playing = begin_anew(self.env, self._spec, state.lanes, params, self.settings.params_axis)
        none = jnp.zeros_like(state.replay.count)
        replay = replace(state.replay, head=none, count=none)
        return replace(state, **playing._asdict(), rewards=state.rewards.restart(), replay=replay)

    def update(self, state: DQNState, params: Any) -> tuple[DQNState, dict[str, Array]]:
        """One iteration: a rollout in the market ``params`` goes into the replay, then gradient steps on draws from it.

        Metrics are scalars. ``mean_episode_return`` is that of the exploring behaviour, over the ``episodes`` that
        ended in this rollout, NaN if none did.
        """
        act_key, draw_key = jax.random.split(jax.random.fold_in(state.key, state.updates))
        epsilon = self.epsilon(state.updates)
        state, rollout, episodes = self._collect(state, params, epsilon, act_key)
        over = rollout.terminated | rollout.truncated
        state = replace(
            state,
            observations=state.observations.update(rollout.view),
            rewards=state.rewards.update(rollout.reward, over, self.settings.gamma),
            replay=state.replay.add(self._transitions(rollout)),
        )
        state, losses = self._optimize(state, draw_key)
        metrics = {**episodes, **losses, "epsilon": epsilon, "learning_rate": self._rate(state)}
        return replace(state, updates=state.updates + 1), metrics

    def policy(self, state: DQNState) -> NetworkPolicy:
        """The greedy policy of a state."""
        return NetworkPolicy(state.weights["advantage"], state.observations, self._spec)

    def values(
        self, state: DQNState, view: Float[Array, "*batch 1+decays *observation"]
    ) -> Float[Array, "*batch actions"]:
        """The return expected after each action, discounted, in units of the normalised reward."""
        return self._values(state.weights, state.observations.features(view))

    def epsilon(self, updates: Array) -> Float[Array, ""]:
        """The share of random actions after so many updates."""
        s = self.settings
        return linear(s.initial_epsilon, s.final_epsilon, s.exploration_updates, updates)

    def _collect(
        self, state: DQNState, params: Any, epsilon: Array, key: Array
    ) -> tuple[DQNState, Rollout, dict[str, Array]]:
        """Act for ``num_steps`` in every lane, greedily but for the share ``epsilon``."""

        def act(key: Array, view: Array) -> tuple[Array, None]:
            whether, which = jax.random.split(key)
            values = self.values(state, view)
            explores = jax.random.uniform(whether, values.shape[:-1]) < epsilon
            random = jax.random.randint(which, values.shape[:-1], 0, self._actions.count)
            return jnp.where(explores, random, jnp.argmax(values, axis=-1).astype(jnp.int32)), None

        playing = Playing(state.lanes, state.memory, state.episode_return)
        keys = jax.random.split(key, self.settings.num_steps)
        playing, rollout, metrics = play(self.env, self._spec, act, playing, params, self.settings.params_axis, keys)
        return replace(state, **playing._asdict()), rollout, metrics

    def _transitions(self, rollout: Rollout) -> Transition:
        """A rollout's transitions [num_steps * lanes]."""
        s = self.settings
        returns = n_step_returns(rollout.reward, rollout.terminated, rollout.truncated, s.gamma, s.n_step)
        lanes = jnp.arange(rollout.reward.shape[1])
        next_view = rollout.final_view[returns.last, lanes]
        transitions = Transition(rollout.view, rollout.latent, returns.reward, returns.discount, next_view)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), transitions)

    def _optimize(self, state: DQNState, key: Array) -> tuple[DQNState, dict[str, Array]]:
        """Gradient steps, each on its own draw from the replay; metrics are means over all of them."""
        s = self.settings

        def descend(
            carry: tuple[Any, Any, Any], step: tuple[Array, Array]
        ) -> tuple[tuple[Any, Any, Any], dict[str, Array]]:
            (weights, target_weights, optimizer), (count, key) = carry, step
            batch = state.replay.sample(key, s.batch_size)
            gradient, metrics = jax.grad(self._loss, has_aux=True)(weights, target_weights, state, batch)
            direction, optimizer = self._optimizer.update(gradient, optimizer)
            weights = jax.tree.map(lambda w, d: w - self._rate(state) * d, weights, direction)
            renew = count % s.target_period == 0
            target_weights = jax.tree.map(lambda new, old: jnp.where(renew, new, old), weights, target_weights)
            return (weights, target_weights, optimizer), metrics

        counts = state.updates * s.num_gradient_steps + 1 + jnp.arange(s.num_gradient_steps)
        start = (state.weights, state.target_weights, state.optimizer)
        steps = (counts, jax.random.split(key, s.num_gradient_steps))
        (weights, target_weights, optimizer), metrics = lax.scan(descend, start, steps)
        state = replace(state, weights=weights, target_weights=target_weights, optimizer=optimizer)
        return state, jax.tree.map(jnp.mean, metrics)

    def _loss(
        self, weights: Any, target_weights: Any, state: DQNState, batch: Transition
    ) -> tuple[Array, dict[str, Array]]:
        """Huber's loss of the values of the actions taken; at delta 1 its gradient is Mnih et al.'s clipped error."""
        s = self.settings
        features = state.observations.features(batch.view)
        next_features = state.observations.features(batch.next_view)
        target = double_q_targets(
            state.rewards.scale(batch.reward),
            batch.discount,
            self._values(weights, next_features),
            self._values(target_weights, next_features),
        )
        values = self._values(weights, features)
        value = jnp.take_along_axis(values, batch.latent[:, None], axis=-1)[:, 0]
        error = value - lax.stop_gradient(target)
        loss = jnp.mean(optax.losses.huber_loss(error, delta=s.huber_delta))
        unexplained = jnp.var(error) / jnp.maximum(jnp.var(target), 1e-8)
        return loss, {"value_loss": loss, "mean_value": jnp.mean(value), "explained_variance": 1 - unexplained}

    def _values(self, weights: Any, features: Array) -> Float[Array, "*batch actions"]:
        distribution = self._spec.distribution(weights["advantage"], features)
        assert isinstance(distribution, Categorical)
        centred = distribution.logits - jnp.mean(distribution.logits, axis=-1, keepdims=True)
        value: Any = self._critic.apply(weights["value"], features)
        return value[..., None] + centred

    def _rate(self, state: DQNState) -> Array:
        """The learning rate of this update."""
        return annealed(self.settings.learning_rate, self.settings.annealing_updates, state.updates)
