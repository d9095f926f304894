"""Packing keeps every bit, on the device and on the host."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.adapters.packing import Packing

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "float16", "int32", "uint32", "float32"]
SHAPES = [(), (0,), (1,), (2,), (3,), (4,), (5,), (2, 3), (0, 3)]


def random_bits(dtype, shape, rng):
    """Any bits that the dtype allows, NaNs with payloads included."""
    count = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    return np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype).reshape(shape)


def test_leaves_of_any_dtype_and_shape_come_back_bit_for_bit():
    rng = np.random.default_rng(0)
    leaves = [random_bits(dtype, shape, rng) for dtype in DTYPES for shape in SHAPES]
    packing = Packing(leaves)
    words = jax.jit(packing.pack)(leaves)
    device, host = jax.jit(packing.unpack)(words), packing.on_host(np.asarray(words))
    assert words.shape == (packing.num_words,)
    for leaf, from_device, from_host in zip(leaves, device, host, strict=True):
        assert (from_device.dtype, from_device.shape) == (leaf.dtype, leaf.shape)
        assert np.asarray(from_device).tobytes() == leaf.tobytes()
        np.testing.assert_array_equal(np.asarray(from_host, leaf.dtype), leaf)


def test_scalars_are_python_numbers_on_the_host_and_arrays_are_views():
    tree = {"count": jnp.int32(-3), "done": jnp.bool_(True), "rate": jnp.float32(0.5), "row": jnp.arange(3)}
    packing = Packing(tree)
    words = np.array(packing.pack(tree))
    count, done, rate, row = packing.on_host(words)
    assert [(type(x), x) for x in (count, done, rate)] == [(int, -3), (bool, True), (float, 0.5)]
    assert np.shares_memory(row, words)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys_come_back_with_their_generator(impl):
    tree = (jax.random.split(jax.random.key(5, impl=impl), 3), jnp.float32(1))
    packing = Packing(tree)
    keys, _ = jax.jit(lambda tree: packing.unpack(packing.pack(tree)))(tree)
    assert str(jax.random.key_impl(keys)) == impl
    np.testing.assert_array_equal(jax.random.key_data(keys), jax.random.key_data(tree[0]))


def test_numbers_of_64_bits_keep_them_all():
    with jax.enable_x64(True):
        tree = [jnp.float64(1) / 3, jnp.arange(3) + 2**40]
        packing = Packing(tree)
        words = packing.pack(tree)
        third, large = packing.unpack(words)
        assert (third.dtype, float(third)) == (np.float64, 1 / 3)
        assert packing.on_host(np.asarray(words))[1].tolist() == [2**40, 2**40 + 1, 2**40 + 2]
        assert large.tolist() == [2**40, 2**40 + 1, 2**40 + 2]
