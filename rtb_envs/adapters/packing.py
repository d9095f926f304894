"""Pytrees laid out in one buffer of words.

Each array that crosses between Python and compiled code costs a microsecond or two, which is what a small environment
takes for its whole step. One buffer carries them all; on the host its parts are views of the same memory.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array, lax

WORD_BYTES = 4


class _Slot(NamedTuple):
    """Where a leaf lies: its shape and dtype (of the raw words where it holds keys), and its range of words."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    stop: int
    key_impl: Any
    """The generator of typed PRNG keys, None for plain arrays."""


class Packing:
    """The layout of pytrees with the structure, shapes and dtypes of ``tree``; bits are kept as they are.

    Leaves may be of any fixed-size dtype, PRNG keys included. Parts begin at whole words, in the order of
    ``jax.tree.leaves``.
    """

    def __init__(self, tree: Any) -> None:
        leaves, self._treedef = jax.tree.flatten(tree)
        self._slots: list[_Slot] = []
        start = 0
        for leaf in leaves:
            raw = _raw(leaf)
            impl = None if raw is leaf else jax.random.key_impl(leaf)
            stop = start + math.ceil(math.prod(raw.shape) * raw.dtype.itemsize / WORD_BYTES)
            self._slots.append(_Slot(raw.shape, np.dtype(raw.dtype), start, stop, impl))
            start = stop
        self.num_words = start
        self._record = np.dtype(
            {
                "names": [f"leaf{i}" for i in range(len(self._slots))],
                "formats": [(slot.dtype, slot.shape) for slot in self._slots],
                "offsets": [WORD_BYTES * slot.start for slot in self._slots],
                "itemsize": WORD_BYTES * max(start, 1),
            }
        )

    def pack(self, tree: Any) -> Array:
        """``tree`` as uint32 words; traceable."""
        leaves = jax.tree.leaves(tree)
        return jnp.concatenate([_to_words(leaf) for leaf in leaves]) if leaves else jnp.zeros(1, jnp.uint32)

    def unpack(self, words: Array) -> Any:
        """The tree that was packed into ``words``; traceable."""
        leaves = [_from_words(words[slot.start : slot.stop], slot) for slot in self._slots]
        return jax.tree.unflatten(self._treedef, leaves)

    def pack_on_host(self, tree: Any) -> npt.NDArray[np.uint32]:
        """What ``pack`` computes, without compiling anything."""
        words = np.zeros(max(self.num_words, 1), np.uint32)
        record = words.view(self._record)
        for name, leaf in zip(self._record.names or (), jax.tree.leaves(tree), strict=True):
            record[name][0] = np.asarray(_raw(leaf))
        return words

    def on_host(self, words: npt.NDArray[np.uint32]) -> list[Any]:
        """The leaves in ``words``: Python numbers for scalars, views of ``words`` for arrays (raw words of keys)."""
        return list(words.view(self._record)[0].item())


def _raw(leaf: Any) -> Any:
    """The words of typed PRNG keys; anything else as it is."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _to_words(leaf: Array) -> Array:
    leaf = _raw(leaf)
    if leaf.dtype == bool:
        leaf = leaf.astype(jnp.uint8)
    flat = leaf.reshape(-1)
    per_word = max(WORD_BYTES // leaf.dtype.itemsize, 1)
    if per_word > 1:
        num_words = math.ceil(flat.size / per_word)
        flat = jnp.pad(flat, (0, num_words * per_word - flat.size)).reshape(num_words, per_word)
    return lax.bitcast_convert_type(flat, jnp.uint32).reshape(-1)


def _from_words(words: Array, slot: _Slot) -> Array:
    size = math.prod(slot.shape)
    dtype = np.dtype(np.uint8) if slot.dtype == bool else slot.dtype
    words_each = max(dtype.itemsize // WORD_BYTES, 1)
    if words_each > 1:
        words = words.reshape(size, words_each)
    leaf = lax.bitcast_convert_type(words, dtype).reshape(-1)[:size].reshape(slot.shape).astype(slot.dtype)
    return leaf if slot.key_impl is None else jax.random.wrap_key_data(leaf, impl=slot.key_impl)
