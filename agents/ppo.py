"""Proximal policy optimisation (Schulman et al., 2017), compiled from the environment's step to the gradient's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Float

from agents.advantages import generalized_advantages, relative_to_market
from agents.collection import LEARNER, Playing, Rollout, begin, begin_anew, play
from agents.distributions import actions_of
from agents.memory import Memory
from agents.network_policy import NetworkPolicy, PolicySpec
from agents.networks import Actor, Critic
from agents.normalization import ObservationNormalizer, RewardNormalizer
from agents.ppo_settings import PPOSettings
from agents.schedules import annealed
from rtb_envs.core import Environment, Lanes
from rtb_envs.pytrees import pytree


class Samples(NamedTuple):
    """What the loss is computed from; every array leads with [num_steps, lanes], in a minibatch with one axis."""

    features: Float[Array, "*samples features"]
    latent: Array
    log_density: Float[Array, "*samples"]
    advantage: Float[Array, "*samples"]
    target: Float[Array, "*samples"]


@pytree
@dataclass(frozen=True)
class LearnerState:
    """Everything that decides what the next update does."""

    weights: dict[str, Any]
    optimizer: optax.OptState
    observations: ObservationNormalizer
    rewards: RewardNormalizer
    lanes: Lanes[Any]
    memory: Memory
    """Of each lane, before its present observation."""
    episode_return: Float[Array, "lanes"]
    """Of the episodes in progress, not discounted."""
    key: Array
    updates: Array
    """Updates made so far, int32."""


class PPO:
    """The learner: ``init`` makes a state, ``update`` improves it, ``policy`` reads the policy off it. All pure.

    Raises ValueError or TypeError for wrong settings and for spaces that it cannot serve.
    """

    def __init__(self, env: Environment[Any, Any, Any], settings: PPOSettings) -> None:
        settings.validate()
        self.env, self.settings = env, settings
        params = env.default_params
        self._spec = PolicySpec(
            observation_shape=tuple(env.observation_space(params).shape or ()),
            actions=actions_of(env.action_space(params), env.action_scale),
            hidden_sizes=settings.hidden_sizes,
            activation=settings.activation,
            memory_decays=settings.memory_decays,
        )
        self._actor = Actor(self._spec.actions, self._spec.hidden_sizes, settings.activation, settings.initial_log_std)
        self._critic = Critic(self._spec.hidden_sizes, settings.activation)
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(settings.max_gradient_norm),
            optax.scale_by_adam(eps=1e-5),
        )

    @property
    def steps_per_update(self) -> int:
        """Environment steps that one update takes, all lanes together."""
        return self.settings.num_envs * self.settings.num_steps

    def init(self, seed: int, params: Any) -> LearnerState:
        """The state before the first update; equal seeds give equal states."""
        s = self.settings
        key = jax.random.fold_in(jax.random.key(seed), LEARNER)
        actor_key, critic_key, key = jax.random.split(key, 3)
        observations = ObservationNormalizer.start(self._spec.view_shape)
        features = observations.features(jnp.zeros(self._spec.view_shape))
        weights = {"actor": self._actor.init(actor_key, features), "critic": self._critic.init(critic_key, features)}
        playing = begin(self.env, self._spec, seed, s.num_envs, params, s.params_axis, s.lanes_per_market)
        return LearnerState(
            weights=weights,
            optimizer=self._optimizer.init(weights),
            observations=observations,
            rewards=RewardNormalizer.start(playing.episode_return.shape),
            **playing._asdict(),
            key=key,
            updates=jnp.zeros((), jnp.int32),
        )

    def restart(self, state: LearnerState, params: Any) -> LearnerState:
        """``state`` with a new episode begun in every lane, as is due when the market changes under them."""
        playing = begin_anew(self.env, self._spec, state.lanes, params, self.settings.params_axis)
        return replace(state, **playing._asdict(), rewards=state.rewards.restart())

    def update(self, state: LearnerState, params: Any) -> tuple[LearnerState, dict[str, Array]]:
        """One iteration: a rollout in the market ``params``, then epochs of minibatch steps.

        Metrics are scalars. ``mean_episode_return`` is over the ``episodes`` that ended in this rollout, NaN if none
        did.
        """
        rollout_key, shuffle_key = jax.random.split(jax.random.fold_in(state.key, state.updates))
        state, rollout, episodes = self._collect(state, params, rollout_key)
        over = rollout.terminated | rollout.truncated
        rewards = state.rewards.update(rollout.reward, over, self.settings.gamma)
        samples, value = self._samples(state, rollout, rewards.scale(rollout.reward))
        weights, optimizer, losses = self._optimize(state, samples, shuffle_key)
        after = replace(
            state,
            weights=weights,
            optimizer=optimizer,
            # Only now: within an update, features and densities belong to one normaliser.
            observations=state.observations.update(rollout.view),
            rewards=rewards,
            updates=state.updates + 1,
        )
        unexplained = jnp.var(samples.target - value) / jnp.maximum(jnp.var(samples.target), 1e-8)
        metrics = {**episodes, **losses, "explained_variance": 1 - unexplained, "learning_rate": self._rate(state)}
        return after, metrics

    def policy(self, state: LearnerState) -> NetworkPolicy:
        """The deterministic policy of a state."""
        return NetworkPolicy(state.weights["actor"], state.observations, self._spec)

    def value(self, state: LearnerState, view: Float[Array, "*batch 1+decays *observation"]) -> Float[Array, "*batch"]:
        """What the critic expects of the rest of the episode, discounted, in units of the normalised reward."""
        return self._value(state.weights, state.observations.features(view))

    def _collect(self, state: LearnerState, params: Any, key: Array) -> tuple[LearnerState, Rollout, dict[str, Array]]:
        """Act for ``num_steps`` in every lane; told is the log density of the choice."""

        def act(key: Array, view: Array) -> tuple[Array, Array]:
            distribution = self._spec.distribution(state.weights["actor"], state.observations.features(view))
            latent = distribution.sample(key)
            return latent, distribution.log_density(latent)

        playing = Playing(state.lanes, state.memory, state.episode_return)
        keys = jax.random.split(key, self.settings.num_steps)
        playing, rollout, metrics = play(self.env, self._spec, act, playing, params, self.settings.params_axis, keys)
        return replace(state, **playing._asdict()), rollout, metrics

    def _samples(self, state: LearnerState, rollout: Rollout, reward: Array) -> tuple[Samples, Array]:
        """Features, advantages and value targets of a rollout, and the values before the update."""

        value = self.value(state, rollout.view)
        # Inside an episode a step leads to the next one's view; only what was cut off needs a value of its own.
        next_value = jnp.concatenate([value[1:], self.value(state, rollout.final_view[-1:])])
        next_value = lax.cond(
            jnp.any(rollout.truncated),
            lambda: jnp.where(rollout.truncated, self.value(state, rollout.final_view), next_value),
            lambda: next_value,
        )
        advantage = generalized_advantages(
            reward,
            value,
            next_value,
            rollout.terminated,
            rollout.truncated,
            self.settings.gamma,
            self.settings.gae_lambda,
        )
        features = state.observations.features(rollout.view)
        relative = relative_to_market(advantage, self.settings.lanes_per_market)
        return Samples(features, rollout.latent, rollout.told, relative, advantage + value), value

    def _optimize(self, state: LearnerState, samples: Samples, key: Array) -> tuple[Any, Any, dict[str, Array]]:
        """Epochs of gradient steps, each on the lanes of a minibatch; metrics are means over all of them."""
        s = self.settings

        def descend(carry: tuple[Any, Any], lanes: Array) -> tuple[tuple[Any, Any], dict[str, Array]]:
            weights, optimizer = carry
            # One axis of samples: the gradients of weights are then plain matrix products, half as costly.
            minibatch = jax.tree.map(lambda x: x[:, lanes].reshape(-1, *x.shape[2:]), samples)
            gradient, metrics = jax.grad(self._loss, has_aux=True)(weights, minibatch)
            direction, optimizer = self._optimizer.update(gradient, optimizer)
            weights = jax.tree.map(lambda w, d: w - self._rate(state) * d, weights, direction)
            return (weights, optimizer), metrics

        keys = jax.random.split(key, s.num_epochs)
        orders = jax.vmap(jax.random.permutation, (0, None))(keys, samples.target.shape[1])
        (weights, optimizer), metrics = lax.scan(
            descend, (state.weights, state.optimizer), orders.reshape(s.num_epochs * s.num_minibatches, -1)
        )
        return weights, optimizer, jax.tree.map(jnp.mean, metrics)

    def _loss(self, weights: Any, samples: Samples) -> tuple[Array, dict[str, Array]]:
        """The clipped surrogate (Schulman et al. 2017, eq. 7), the squared error of values, and the entropy bonus."""
        s = self.settings
        distribution = self._spec.distribution(weights["actor"], samples.features)
        log_ratio = distribution.log_density(samples.latent) - samples.log_density
        ratio = jnp.exp(log_ratio)
        advantage = (samples.advantage - jnp.mean(samples.advantage)) / (jnp.std(samples.advantage) + 1e-8)
        clipped = jnp.clip(ratio, 1 - s.clip_range, 1 + s.clip_range)
        policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
        value = self._value(weights, samples.features)
        value_loss = jnp.mean((value - samples.target) ** 2) / 2
        entropy = jnp.mean(distribution.entropy())
        metrics = {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            # The estimator of low variance that is never negative (Schulman, "Approximating KL Divergence", 2020).
            "approx_kl": jnp.mean(ratio - 1 - log_ratio),
            "clip_fraction": jnp.mean((jnp.abs(ratio - 1) > s.clip_range).astype(float)),
        }
        return policy_loss + s.value_coefficient * value_loss - s.entropy_coefficient * entropy, metrics

    def _value(self, weights: Any, features: Array) -> Array:
        value: Any = self._critic.apply(weights["critic"], features)
        return cast(Array, value)

    def _rate(self, state: LearnerState) -> Array:
        """The learning rate of this update."""
        return annealed(self.settings.learning_rate, self.settings.annealing_updates, state.updates)
