"""Whole runs of the marketplace, compiled: one scan over days, a batch over seeds and scenarios."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Int

from rtb_envs.compile import jit
from rtb_envs.envs.marketplace.config import FACTS, Config
from rtb_envs.envs.marketplace.decisions import NO_ANSWER
from rtb_envs.envs.marketplace.memory import Rot, rot
from rtb_envs.envs.marketplace.packages import Packages, draw_channels, draw_losses, draw_packages
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.settlement import STANDS
from rtb_envs.envs.marketplace.state import Accounts, opening
from rtb_envs.envs.marketplace.trade import DELIVERED, Trades, trade
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream


@pytree
@dataclass(frozen=True)
class History:
    """A run day by day; every array leads with [days], those of packages and trades with [days, packages]."""

    packages: Packages
    trades: Trades
    remaining: Int[Array, "days campaigns"]
    """Cents left of each campaign's budget at the end of the day."""
    delivered: Int[Array, "days campaigns"]
    deals: Int[Array, "days campaigns"]
    kept: Bool[Array, "days buyers facts"]
    """Facts known during the day."""
    lost: Int[Array, "days buyers"]
    restarted: Bool[Array, "days buyers"]


@pytree
@dataclass(frozen=True)
class Days:
    """Sums over each day; arrays [days], for runs by the thousand. Money in cents."""

    deals: Int[Array, "days"]
    charge: Int[Array, "days"]
    payout: Int[Array, "days"]
    fee: Int[Array, "days"]
    delivered: Int[Array, "days"]
    false_claims: Int[Array, "days"]
    """Claims that count as false and stand."""
    rot_events: Int[Array, "days"]


class Day(NamedTuple):
    """What happened on one day: what ``run`` gives to its ``record``."""

    packages: Packages
    trades: Trades
    accounts: Accounts
    """At the end of the day."""
    losses: Rot


def run(
    key: Array,
    params: Params,
    config: Config,
    answers: Int[Array, "days packages campaigns"] | None,
    record: Callable[[Day], Any],
) -> tuple[Accounts, Any]:
    """The books at the start, and ``record`` of every day of the run of ``key`` in the scenario of ``params``.

    ``answers`` are given decisions of escalated offers (``decisions.NO_ANSWER`` where rules decide); None lets the
    rules decide all. Draws depend on key, day and package alone, so that scenarios meet the same market.
    """
    stream = Stream.from_key(key, config.generator)
    opened = opening(draw_channels(stream, config), params)
    schedule = config.schedule
    index = jnp.arange(schedule.per_day)

    def one_day(carry: tuple[Accounts, Array], given: tuple[Array, Array, Any]) -> tuple[Any, Any]:
        accounts, kept = carry
        day, count, answers = given
        today = stream.step(day)
        losses = rot(kept, day, *draw_losses(today, config), params)
        known = jnp.sum(losses.kept, axis=1, dtype=jnp.int32)
        packages = draw_packages(today, index, config, params)

        def one_package(accounts: Accounts, given: tuple[Packages, Array, Any]) -> tuple[Accounts, Trades]:
            package, offered, answer = given
            answer = jnp.full(config.campaigns, NO_ANSWER) if answer is None else answer
            return trade(accounts, package, offered, known, None, answer, config, params)

        accounts, trades = lax.scan(one_package, accounts, (packages, index < count, answers))
        return (accounts, losses.kept), record(Day(packages, trades, accounts, losses))

    days = jnp.arange(1, config.days + 1)
    carry = (opened, jnp.ones((config.buyers, FACTS), bool))
    _, recorded = lax.scan(one_day, carry, (days, jnp.asarray(schedule.packages), answers))
    return opened, recorded


def full_record(day: Day) -> History:
    """Everything of a day."""
    accounts, losses = day.accounts, day.losses
    books = (accounts.remaining, accounts.delivered, accounts.deals)
    return History(day.packages, day.trades, *books, losses.kept, losses.lost, losses.restarted)


def day_sums(day: Day) -> Days:
    """Sums over the packages of a day."""
    trades = day.trades
    return Days(
        deals=jnp.sum(trades.status >= DELIVERED, dtype=jnp.int32),
        charge=jnp.sum(trades.charge),
        payout=jnp.sum(trades.payout),
        fee=jnp.sum(trades.fee),
        delivered=jnp.sum(trades.delivered),
        false_claims=jnp.sum(trades.claim == STANDS, dtype=jnp.int32),
        rot_events=jnp.sum(day.losses.lost),
    )


@functools.cache
def compiled_history(config: Config) -> Any:
    """(key, scenario codes [n], params) -> books at the start, ``History``; leading axis [n]."""
    return jit(jax.vmap(_scenario(config, full_record), (None, 0, None)))


@functools.cache
def compiled_answered(config: Config) -> Any:
    """(key, scenario code, params, answers [days, packages, campaigns]) -> books at the start, ``History``."""
    return jit(_scenario(config, full_record))


@functools.cache
def compiled_days(config: Config) -> Any:
    """(keys [seeds], scenario codes [n], params) -> ``Days`` with leading axes [seeds, n]."""
    one = jax.vmap(_scenario(config, day_sums), (None, 0, None))
    return jit(jax.vmap(lambda *given: one(*given)[1], (0, None, None)))


def _scenario(config: Config, record: Callable[[Day], Any]) -> Callable[..., tuple[Accounts, Any]]:
    def one(key: Array, scenario: Array, params: Params, answers: Array | None = None) -> tuple[Accounts, Any]:
        return run(key, params.replace(scenario=scenario), config, answers, record)

    return one
