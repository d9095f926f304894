"""The replaceable laws of a market: built from what a user gave, and checked for shape and for what they return."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rtb_envs.auctions import quantile_tables
from rtb_envs.auctions.market_prices import TabulatedPrice
from rtb_envs.random import Stream

METHODS = {"market_price": "price", "click_rate": "rate", "conversion_rate": "rate"}
_DRAWS = 8
"""Prices of each ad and step that a law without a table is asked for."""
_TOLERANCE = 1e-5
"""Rounding of a rate at 1, and of a table's quantiles relative to the highest price."""


class MarketSize(NamedTuple):
    """Lengths that a law's numbers must have."""

    steps: int
    ads: int
    users: int


def build_law(name: str, given: Any, method: str, instance: Any, default: Any) -> Any:
    """The law that a user gave for ``name``: a law, or anything else whose ``from_instance(instance)`` builds one.

    Raises TypeError for an object without ``method`` or one that JAX can not take apart, and what ``check_shapes``
    raises.
    """
    if given is None:
        return default
    is_law = not isinstance(given, type) and callable(getattr(given, method, None))
    law = given.from_instance(instance) if not is_law and hasattr(given, "from_instance") else given
    size = MarketSize(
        instance.click_time_factor.shape[0], instance.ad_features.shape[0], instance.user_features.shape[0]
    )
    check_shapes(name, law, method, size)
    return law


def check_shapes(name: str, law: Any, method: str, size: MarketSize) -> None:
    """Raise TypeError for what is no law, ValueError for one whose numbers or results have the wrong shape."""
    if isinstance(law, type) or not callable(getattr(law, method, None)):
        raise TypeError(
            f"{name} must be a law with a method {method!r}, or a class or object whose 'from_instance' builds one; "
            f"got {law!r}"
        )
    if jax.tree_util.treedef_is_leaf(jax.tree.structure(law)):
        raise TypeError(f"{name} must be a pytree (decorate it with rtb_envs.pytrees.pytree), got {law!r}")
    for field, shape in law.expected_shapes(*size).items() if hasattr(law, "expected_shapes") else ():
        if jnp.shape(getattr(law, field)) != shape:
            raise ValueError(f"{name}.{field} must have shape {shape}, got shape {jnp.shape(getattr(law, field))}")
    # A length that no number of the market has, so that a result of another shape can not pass.
    asked = (sum(size) + 1,)
    try:
        result = jax.eval_shape(lambda law: _ask(law, method, jnp.zeros(asked, jnp.int32)), law)
        table = jax.eval_shape(tabulated, law) if method == "price" else None
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{name} must have a '{method}' that takes a batch of ids, got an error: {error}") from error
    if getattr(result, "shape", None) != asked:
        raise ValueError(
            f"{name} must return one number for each id, shape {asked} here, got {getattr(result, 'shape', result)}"
        )
    if isinstance(table, TabulatedPrice) and table.table.shape[0] not in (1, size.ads):
        raise ValueError(f"{name} must have numbers for 1 or {size.ads} ads, got {table.table.shape[0]}")


def _ask(law: Any, method: str, ids: Array) -> Any:
    t = jnp.zeros((), jnp.int32)
    if method == "rate":
        return law.rate(ids, ids, t)
    return law.price(Stream.from_key(jax.random.key(0)).at(ids), ids, t)


def tabulated(law: Any) -> Any:
    """The form of a law that compiled code draws from: its own table if it makes one."""
    return law.tabulated() if hasattr(law, "tabulated") else law


class Range(NamedTuple):
    """The least and the largest of some numbers; both NaN if any of them is."""

    least: Float[Array, ""]
    largest: Float[Array, ""]

    @classmethod
    def of(cls, values: Array) -> Range:
        return cls(jnp.min(values), jnp.max(values))


class LawRanges(NamedTuple):
    """What the laws of a market return."""

    click_rate: Range
    conversion_rate: Range
    market_price: Range
    price_fall: Float[Array, ""]
    """How far a table's quantiles fall where they should rise, relative to the largest price."""


def law_ranges(click_rate: Array, conversion_rate: Array, price_law: Any, size: MarketSize) -> LawRanges:
    """The ranges of the rates [steps, ads, users], and of the tabulated prices or a few drawn for each ad and step."""
    if isinstance(price_law, TabulatedPrice):
        price = price_law.table
        fall = quantile_tables.largest_fall(price) / jnp.maximum(jnp.max(jnp.abs(price)), 1e-30)
    else:
        index = jnp.arange(size.ads * _DRAWS)
        draw = Stream.from_key(jax.random.key(0)).at(index)
        price = jax.vmap(lambda t: price_law.price(draw, index // _DRAWS, t))(jnp.arange(size.steps))
        fall = jnp.zeros(())
    return LawRanges(Range.of(click_rate), Range.of(conversion_rate), Range.of(price), fall)


def check_ranges(found: LawRanges) -> None:
    """Raise ValueError for rates outside [0, 1] and for prices that are negative, not finite, or badly tabulated."""
    found = jax.device_get(found)
    for name in ("click_rate", "conversion_rate"):
        least, largest = map(float, getattr(found, name))
        if not (least >= 0 and largest <= 1 + _TOLERANCE):
            raise ValueError(f"{name} must give probabilities in [0, 1], got {least:g} to {largest:g}")
    least, largest = map(float, found.market_price)
    if not (least >= 0 and largest < float("inf")):
        raise ValueError(f"market_price must give finite prices >= 0, got {least:g} to {largest:g}")
    if found.price_fall > _TOLERANCE:
        raise ValueError(
            f"market_price must have quantiles that rise (sorted, spread >= 0), got a fall by {found.price_fall:.2g} "
            "of the highest price"
        )
