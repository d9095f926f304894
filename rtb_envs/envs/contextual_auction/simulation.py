"""AuctionGym's experiment: rounds, then everybody learns from them, then rounds again; compiled as a whole."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.envs.contextual_auction.allocators import Oracle
from rtb_envs.envs.contextual_auction.catalogue import Catalogue, sample_catalogue
from rtb_envs.envs.contextual_auction.config import Config, ContextualPricing
from rtb_envs.envs.contextual_auction.experiment import Experiment
from rtb_envs.envs.contextual_auction.learning import Allocator, Bidder, Log, Memory, Shading
from rtb_envs.envs.contextual_auction.metrics import Totals, totals
from rtb_envs.envs.contextual_auction.money import MAX_AMOUNT, MICROS
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.rounds import draw_rounds
from rtb_envs.envs.contextual_auction.settlement import Results, settle
from rtb_envs.pytrees import pytree
from rtb_envs.random import Generator, Stream

BLOCK = 4096
"""Most rounds that are computed together."""
MAX_ROUNDS_PER_ITERATION = 2**20
_CATALOGUE, _ITERATIONS, _SHADING, _ADS = 1, 2, 3, 4


@pytree
@dataclass(frozen=True)
class Advertisers:
    """``copies`` bidders of one kind, each with ads of its own, who learn each by itself."""

    bidder: Bidder
    allocator: Allocator = field(default_factory=Oracle)
    copies: int = field(default=1, metadata={"static": True})

    def __post_init__(self) -> None:
        validation.integer("copies", self.copies, 1, 10_000)


def simulate(
    advertisers: Sequence[Advertisers],
    *,
    seed: int,
    pricing: ContextualPricing = "first_price",
    num_runs: int = 1,
    iterations: int = 1,
    rounds_per_iteration: int = 10_000,
    participants: int = 2,
    n_ads: int = 12,
    context_dim: int = 5,
    observed_dim: int = 4,
    catalogue: Catalogue | None = None,
    generator: Generator = "counter",
) -> Experiment:
    """Run ``iterations`` of ``rounds_per_iteration`` auctions among ``advertisers``, who learn after each iteration.

    Every one of ``num_runs`` has its own draws: run i follows fold_in(key(seed), i), whatever is bid, so that the same
    seed gives other advertisers the same users. It has its own catalogue too, unless ``catalogue`` gives one for all.

    Raises TypeError or ValueError, naming the argument, for what can not be: more participants than bidders, an unknown
    ``pricing``, numbers out of range, a ``catalogue`` of another shape, entries that are no ``Advertisers``.
    """
    advertisers = tuple(_checked(advertisers))
    config = Config(
        n_bidders=sum(group.copies for group in advertisers),
        participants=participants,
        n_ads=n_ads,
        context_dim=context_dim,
        observed_dim=observed_dim,
        pricing=pricing,
        generator=generator,
    )
    seed = validation.integer("seed", seed, 0, 2**32 - 1)
    num_runs = validation.integer("num_runs", num_runs, 1, 2**20)
    iterations = validation.integer("iterations", iterations, 1, 2**20)
    rounds = validation.integer("rounds_per_iteration", rounds_per_iteration, 1, MAX_ROUNDS_PER_ITERATION)
    if rounds * config.n_bidders * (-(-n_ads // 4)) >= 2**32:  # an allocator's draws would repeat themselves
        most = (2**32 - 1) // (config.n_bidders * (-(-n_ads // 4)))
        raise validation.wrong_value("rounds_per_iteration", f"at most {most} with so many bidders and ads", rounds)
    if catalogue is not None:
        catalogue = check_catalogue(catalogue, config)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(num_runs))
    return Experiment.of(*_program()(config, iterations, rounds, advertisers, catalogue, keys))


def check_catalogue(catalogue: Catalogue, config: Config) -> Catalogue:
    """``catalogue`` as float arrays of the shapes that ``config`` says; ValueError or TypeError otherwise."""
    if not isinstance(catalogue, Catalogue):
        raise validation.wrong_type("catalogue", "a Catalogue", catalogue)
    shape = (config.n_bidders, config.n_ads)
    embedding = validation.array("catalogue.embedding", catalogue.embedding, [(*shape, config.context_dim + 1)])
    value = validation.array("catalogue.value", catalogue.value, [shape], 1 / MICROS, MAX_AMOUNT)
    return Catalogue(jnp.asarray(embedding, float), jnp.asarray(value, float))


def _checked(advertisers: Sequence[Advertisers]) -> Sequence[Advertisers]:
    if not isinstance(advertisers, Sequence) or not advertisers:
        raise validation.wrong_type("advertisers", "a sequence of at least one Advertisers", advertisers)
    for group in advertisers:
        if not isinstance(group, Advertisers):
            raise validation.wrong_type("advertisers", "a sequence of Advertisers", group)
        for name, methods in (("bidder", ("shade", "update")), ("allocator", ("offers", "update"))):
            given = getattr(group, name)
            if isinstance(given, type) or not all(callable(getattr(given, method, None)) for method in methods):
                raise validation.wrong_type(name, f"an object with the methods init, {' and '.join(methods)}", given)
    return advertisers


@functools.cache
def _program() -> Any:
    return jit(_runs, static_argnums=(0, 1, 2))


def _runs(
    config: Config,
    iterations: int,
    rounds: int,
    advertisers: tuple[Advertisers, ...],
    catalogue: Catalogue | None,
    keys: Array,
) -> tuple[Totals, tuple[Memory, ...]]:
    """The totals of every run, iteration and bidder, and what they have learnt in the end."""

    def run(key: Array) -> tuple[Totals, tuple[Memory, ...]]:
        stream = Stream.from_key(key, config.generator)
        own = sample_catalogue(stream.site(_CATALOGUE).key(), config) if catalogue is None else catalogue
        one_run = _Run(config, rounds, advertisers, own)

        def iterate(memories: tuple[Memory, ...], iteration: Array) -> tuple[tuple[Memory, ...], Totals]:
            return one_run.iteration(stream.site(_ITERATIONS).step(iteration), memories)

        memories, sums = lax.scan(iterate, one_run.first_memories(), jnp.arange(iterations))
        return sums, memories

    of_runs: tuple[Totals, tuple[Memory, ...]] = lax.map(run, keys)
    return of_runs


@dataclass(frozen=True)
class _Run:
    """One world: its advertisers and their ads."""

    config: Config
    rounds: int
    advertisers: tuple[Advertisers, ...]
    catalogue: Catalogue

    @property
    def members(self) -> list[slice]:
        """Where on the bidder axis each group of advertisers is."""
        ends = np.cumsum([group.copies for group in self.advertisers])
        return [slice(int(end) - group.copies, int(end)) for group, end in zip(self.advertisers, ends, strict=True)]

    def first_memories(self) -> tuple[Memory, ...]:
        """What each group begins with."""
        config = self.config

        def begin(group: Advertisers) -> Memory:
            memory = Memory(group.bidder.init(), group.allocator.init(config.n_ads, config.observed_dim))
            of_each: Memory = jax.tree.map(lambda x: jnp.broadcast_to(x, (group.copies, *jnp.shape(x))), memory)
            return of_each

        return tuple(begin(group) for group in self.advertisers)

    def iteration(self, stream: Stream, memories: tuple[Memory, ...]) -> tuple[tuple[Memory, ...], Totals]:
        """All rounds of an iteration, block by block, and what is learnt from them."""
        blocks = -(-self.rounds // BLOCK)
        width = -(-self.rounds // blocks)
        learning = [group.bidder.learns or group.allocator.learns for group in self.advertisers]

        def block(sums: Totals, number: Array) -> tuple[Totals, Any]:
            context, log, brought = self._block(stream, memories, number * width + jnp.arange(width))
            return sums + brought, (context, log) if any(learning) else None

        sums, kept = lax.scan(block, Totals.zero(self.config.n_bidders), jnp.arange(blocks))
        if not any(learning):
            return memories, sums
        # [blocks, axis, width] -> [axis, rounds]
        context, log = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1).reshape(leaf.shape[1], -1), kept)
        observed = jnp.concatenate([context[: self.config.observed_dim], context[-1:]])
        groups = zip(self.advertisers, memories, self.members, strict=True)
        return tuple(self._learn(group, memory, observed, log, place) for group, memory, place in groups), sums

    def _block(
        self, stream: Stream, memories: tuple[Memory, ...], index: Int[Array, "rounds"]
    ) -> tuple[Float[Array, "features rounds"], Log, Totals]:
        drawn = draw_rounds(stream, index, self.config)
        drawn = replace(drawn, takes_part=drawn.takes_part & (index < self.rounds))
        parts = []
        for group, memory, place in zip(self.advertisers, memories, self.members, strict=True):
            ads = jax.tree.map(lambda leaf, place=place: leaf[place], self.catalogue)
            draw = stream.site(_ADS).step(place.start).at(index)
            offers = group.allocator.offers(draw, memory.allocator, drawn.context, ads)
            bidders = stream.site(_SHADING).step(jnp.arange(place.start, place.stop))
            shade = jax.vmap(functools.partial(_shade, group.bidder, index))
            parts.append((offers, shade(bidders, memory.bidder, offers.estimated_ctr, offers.value)))
        offers, shading = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        factor = jnp.clip(shading.proposed, 0, 1)
        results = settle(factor * offers.estimated_ctr * offers.value, offers, drawn, self.config.pricing)
        log = _log(offers, shading, drawn.takes_part, results)
        return drawn.context, log, totals(offers, factor, drawn, results)

    def _learn(
        self,
        group: Advertisers,
        memory: Memory,
        observed: Float[Array, "observed rounds"],
        log: Log,
        place: slice,
    ) -> Memory:
        own = jax.tree.map(lambda leaf: leaf[place], log)
        bidder, allocator = memory
        if group.bidder.learns:
            bidder = jax.vmap(group.bidder.update)(bidder, own)
        if group.allocator.learns:
            allocator = jax.vmap(group.allocator.update, (0, None, 0))(allocator, observed, own)
        return Memory(bidder, allocator)


def _shade(bidder: Bidder, index: Array, stream: Stream, memory: Any, estimated_ctr: Array, value: Array) -> Shading:
    return bidder.shade(stream.at(index), memory, estimated_ctr, value)


def _log(offers: Offers, shading: Shading, takes_part: Bool[Array, "bidders rounds"], results: Results) -> Log:
    return Log(
        takes_part,
        offers.ad,
        offers.value,
        offers.estimated_ctr,
        *shading,
        results.won,
        results.clicked,
        results.surplus.astype(float) / MICROS,
    )
