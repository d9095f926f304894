"""The pool of impression contexts: what comes with the package, and what a file must be."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.users.context_pool import DEFAULT_POOL, ContextPool, default_pool, load_pool

FIELDS = [field.name for field in dataclasses.fields(ContextPool)]


@pytest.fixture
def arrays():
    with np.load(DEFAULT_POOL) as archive:
        return {name: archive[name] for name in archive.files}


def write(path, arrays):
    np.savez(path, **arrays)
    return path


def test_the_shipped_pool_has_a_mean_click_rate_of_17_percent():
    pool = default_pool()
    assert float(np.mean(np.asarray(pool.ctr, np.float64))) == pytest.approx(0.17, abs=0.01)
    assert pool.contexts == 16_384


def test_the_shipped_pool_is_small_and_holds_values_of_avazu_s_columns(arrays):
    assert DEFAULT_POOL.stat().st_size <= 2**20
    assert set(np.unique(arrays["hour_of_day"])) == set(range(24))
    assert set(np.unique(arrays["day_of_week"])) <= set(range(1, 8))
    assert set(np.unique(arrays["banner_pos"])) <= {0, 1, 2, 3, 4, 5, 7}
    assert set(np.unique(arrays["device_type"])) <= {0, 1, 2, 4, 5}
    assert set(np.unique(arrays["device_conn_type"])) <= {0, 2, 3, 5}


def test_click_rates_differ_between_contexts():
    assert np.std(np.asarray(default_pool().ctr)) > 0.03


def test_a_pool_is_a_pytree_that_compiled_code_samples_from():
    drawn = jax.jit(lambda pool, index: pool.ctr[index])(default_pool(), jnp.int32(3))
    assert drawn == default_pool().ctr[3]
    assert drawn.dtype == jnp.float32


def test_a_pool_asked_for_while_compiling_is_usable_afterwards():
    default_pool.cache_clear()
    jax.jit(lambda: default_pool().ctr[0])()
    assert float(default_pool().ctr[0]) > 0


def test_a_file_is_read_as_it_was_written(tmp_path, arrays):
    pool = load_pool(write(tmp_path / "pool.npz", arrays))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(pool, name), arrays[name])


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(tmp_path, arrays, name):
    del arrays[name]
    with pytest.raises(ValueError, match=rf"pool.npz is not a context pool: no {name}"):
        load_pool(write(tmp_path / "pool.npz", arrays))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ctr", np.full(16_384, 1.0, np.float32), r"ctr must lie in \(0, 1\)"),
        ("ctr", np.full(16_384, np.nan, np.float32), r"ctr must lie in \(0, 1\)"),
        ("ctr", np.full(16_384, 0.1), r"ctr is float64\[16384\], must be float32"),
        ("hour_of_day", np.zeros(3, np.uint8), r"hour_of_day is uint8\[3\]"),
        ("banner_pos", np.zeros(16_384, np.int64), r"banner_pos is int64\[16384\], must be uint8"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_must_be(tmp_path, arrays, name, value, message):
    with pytest.raises(ValueError, match=message):
        load_pool(write(tmp_path / "pool.npz", {**arrays, name: value}))


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "pool.npz"
    path.write_text("no archive")
    with pytest.raises(ValueError, match=r"pool.npz is not a context pool"):
        load_pool(path)
    with pytest.raises(FileNotFoundError):
        load_pool(tmp_path / "none.npz")
