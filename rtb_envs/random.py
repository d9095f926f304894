"""Streams of random numbers addressed by index.

A draw is a function of (stream, site, step, index, word) and of nothing else: not of the batch size, the padded
width, the lane number, or what another site drew. Two policies therefore meet the same market, a volume beyond the
static width continues the same sequence, and a law that draws more numbers shifts no other law's.

Two generators stand behind a stream:

- ``counter``: pcg4d (Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020), four words a call,
  about twelve integer multiplications, computed inside the kernel that uses them. The default.
- ``threefry``: Threefry-2x32-20 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), the
  generator of ``jax.random``. Slower, and the reference that the counter generator is validated against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.extend.random
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rtb_envs import validation
from rtb_envs.pytrees import pytree

Generator = Literal["counter", "threefry"]
GENERATORS: tuple[Generator, ...] = ("counter", "threefry")

# The fourth input word of the hash separates the three uses of a stream, so that a child's words are never a draw.
_SITE, _STEP, _DRAW = 0x51ED270B, 0x9E3779B9, 0x2545F491
UNIFORM_BITS = 23


def pcg4d(x: Array, y: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Hash four uint32 words to four (Jarzynski & Olano 2020, listing "pcg4d"); shapes broadcast."""
    x, y, z, w = (word * jnp.uint32(1664525) + jnp.uint32(1013904223) for word in (x, y, z, w))
    x, y, z, w = _pcg4d_round(x, y, z, w)
    x, y, z, w = (word ^ (word >> jnp.uint32(16)) for word in (x, y, z, w))
    return _pcg4d_round(x, y, z, w)


def _pcg4d_round(x: Array, y: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    x = x + y * w
    y = y + z * x
    z = z + x * y
    return x, y, z, w + y * z


def _threefry4(x: Array, y: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Four words from two Threefry-2x32 blocks with key (x, y) and counters (z, w) and (z, ~w); shapes broadcast."""
    x, y, z, w = jnp.broadcast_arrays(x, y, z, w)
    first = jax.extend.random.threefry2x32_p.bind(x, y, z, w)
    second = jax.extend.random.threefry2x32_p.bind(x, y, z, ~w)
    return first[0], first[1], second[0], second[1]


def _counter4(x: Array, y: Array, z: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """pcg4d with the high half of each word folded into the low one, whose own bits are weak; shapes broadcast."""
    first, second, third, fourth = (word ^ (word >> jnp.uint32(16)) for word in pcg4d(x, y, z, w))
    return first, second, third, fourth


_HASHES = {"counter": _counter4, "threefry": _threefry4}


def uniform_from_word(word: Array) -> Array:
    """Map uint32 words to float32 uniforms in (0, 1), exactly representable, never 0 or 1.

    The value is (word >> 9 + 1/2) / 2**23: 1 - u is exact too, so tails can be addressed from both ends. A
    probability compared with it is resolved to 2**-23.
    """
    uniform: Array = ((word >> jnp.uint32(32 - UNIFORM_BITS)).astype(jnp.float32) + 0.5) * jnp.float32(
        2.0**-UNIFORM_BITS
    )
    return uniform


@pytree
@dataclass(frozen=True)
class Stream:
    """A position in the tree of random numbers: two uint32 words (any equal shape) and the generator's name."""

    word0: Array
    word1: Array
    generator: Generator = field(default="counter", metadata={"static": True})

    @classmethod
    def from_key(cls, key: Array, generator: Generator = "counter") -> Stream:
        """Start a stream from a JAX key: a typed key of any implementation, or raw uint32 key data.

        Keys of more than two words are folded into two by the generator's own hash. Raises TypeError for what is no
        key, such as an integer seed.
        """
        is_typed = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if not is_typed and getattr(key, "dtype", None) != jnp.uint32:
            raise validation.wrong_type("key", "a JAX key, as jax.random.key(seed) gives", key)
        data = jax.random.key_data(key) if is_typed else jnp.asarray(key)
        word0, word1 = data[..., 0], data[..., 1]
        if data.shape[-1] > 2:
            word0, word1 = _HASHES[generator](word0, word1, data[..., 2], data[..., 3])[:2]
        return cls(word0, word1, generator)

    def site(self, name: int) -> Stream:
        """The independent child for one purpose; ``name`` is a static integer in [0, 2**32)."""
        return self._child(jnp.uint32(name), _SITE)

    def step(self, t: ArrayLike) -> Stream:
        """The independent child for time step ``t`` (a non-negative integer; shapes broadcast)."""
        return self._child(jnp.asarray(t).astype(jnp.uint32), _STEP)

    def _child(self, value: Array, tag: int) -> Stream:
        words = _HASHES[self.generator](self.word0, self.word1, value, jnp.uint32(tag))
        return Stream(words[0], words[1], self.generator)

    def words(self, index: ArrayLike) -> tuple[Array, Array, Array, Array]:
        """Four uint32 words for each entry of ``index`` (non-negative integers; shapes broadcast)."""
        counter = jnp.asarray(index).astype(jnp.uint32)
        return _HASHES[self.generator](self.word0, self.word1, counter, jnp.uint32(_DRAW))

    def uniform(self, index: ArrayLike = 0, word: int = 0) -> Array:
        """Float32 uniforms in (0, 1) for each entry of ``index``; ``word`` in 0..3 picks one of its four."""
        return uniform_from_word(self.words(index)[word])

    def at(self, index: ArrayLike) -> Draw:
        """This stream at ``index``: what a law is given to draw from."""
        return Draw(self, jnp.asarray(index))

    def key(self) -> Array:
        """An ordinary typed JAX key for any ``jax.random`` sampler."""
        data = jnp.stack([self.word0, self.word1], axis=-1)
        key: Array = jax.random.wrap_key_data(data, impl="threefry2x32")
        return key


@dataclass(frozen=True)
class Draw:
    """A stream at an array of indices: the source of randomness that a custom law receives.

    ``uniform(word)`` gives one float32 uniform in (0, 1) for each index. Words 0 to 3 cost one hash together;
    a law that needs more goes on with words 4, 5, ... at one more hash for each four.
    """

    stream: Stream
    index: Array

    def uniform(self, word: int = 0) -> Array:
        """Uniforms in (0, 1), the shape of ``index``; ``word`` is a static integer >= 0."""
        block, lane = divmod(word, 4)
        stream = self.stream if block == 0 else self.stream.site(block)
        return stream.uniform(self.index, lane)

    def normal(self, word: int = 0) -> Array:
        """Standard normals by inversion, the shape of ``index``, within +-5.3."""
        return normal_from_uniform(self.uniform(word))


def normal_from_uniform(uniform: Array) -> Array:
    """The standard normal quantile of ``uniform`` in (0, 1), float32."""
    normal: Array = jnp.float32(2**0.5) * jax.lax.erf_inv(2.0 * uniform - 1.0)
    return normal


NORMAL_BOUND = 5.42
"""No draw of ``normal_from_uniform(uniform_from_word(w))`` exceeds this in absolute value (the quantile of 2**-24)."""


def lane_keys(seed: int, purpose: int, num_lanes: int, first_lane: int = 0) -> Array:
    """Keys of lanes ``first_lane .. first_lane + num_lanes - 1``: fold_in(fold_in(key(seed), purpose), lane).

    ``purpose`` is one of ``TRAIN``, ``TUNE``, ``EVALUATE``: seeds and purposes never share a lane.
    """
    base = jax.random.fold_in(jax.random.key(seed), purpose)
    return jax.vmap(jax.random.fold_in, (None, 0))(base, jnp.arange(first_lane, first_lane + num_lanes))


TRAIN, TUNE, EVALUATE = 1, 2, 3
