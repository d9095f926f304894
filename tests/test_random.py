"""Streams of random numbers: addressing, independence of lanes and purposes, and the quality of the counter generator.

The statistical tests have fixed seeds; each statistic is held to a two-sided false-alarm rate of 1e-5 (|z| < 4.42).
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from rtb_envs.compile import jit
from rtb_envs.envs.ad_auction import make_ad_auction
from rtb_envs.random import (
    EVALUATE,
    GENERATORS,
    NORMAL_BOUND,
    TRAIN,
    TUNE,
    Stream,
    lane_keys,
    normal_from_uniform,
    pcg4d,
)

ALARM = 1e-5
Z = 4.42
NUM_DRAWS = 2**18
FIRST_WORDS = np.arange(8, dtype=np.uint32)


def stream(seed=0, generator="counter"):
    return Stream.from_key(jax.random.key(seed), generator)


def words(stream, index):
    """The four words of each index, uint32 [4, indices]."""
    return np.stack([np.asarray(word) for word in stream.words(index)])


def centred(uniform):
    """Uniforms scaled to mean 0 and variance 1 under the null hypothesis."""
    return (np.asarray(uniform, np.float64) - 0.5) * np.sqrt(12)


def correlation_z(left, right):
    """z of the correlation of two arrays of centred uniforms, independent under the null hypothesis."""
    return float(np.mean(left * right) * np.sqrt(left.size))


@pytest.mark.parametrize("generator", GENERATORS)
class TestAddresses:
    def test_a_draw_does_not_depend_on_how_many_are_drawn_with_it(self, generator):
        child = stream(3, generator).site(2).step(5)
        many = words(child, np.arange(1000))
        np.testing.assert_array_equal(words(child, np.arange(7, 9)), many[:, 7:9])
        np.testing.assert_array_equal(words(child, np.arange(600).reshape(20, 30))[:, 3, 4], many[:, 94])

    def test_sites_steps_words_and_indices_never_share_a_draw(self, generator):
        root = stream(3, generator)
        seen = [words(root, FIRST_WORDS), *words_of_children(root)]
        flat = np.concatenate([part.reshape(-1) for part in seen])
        # 32-bit words of n independent draws collide n**2 / 2**33 times on average, here 0.0004.
        assert np.unique(flat).size == flat.size

    def test_a_batch_of_streams_equals_each_alone(self, generator):
        keys = jax.random.split(jax.random.key(0), 5)
        together = jax.vmap(lambda key: Stream.from_key(key, generator).step(3).uniform(jnp.arange(4)))(keys)
        for i, key in enumerate(keys):
            alone = Stream.from_key(key, generator).step(3).uniform(jnp.arange(4))
            np.testing.assert_array_equal(together[i], alone)

    def test_a_vector_of_steps_equals_each_step_alone(self, generator):
        root = stream(1, generator)
        together = root.step(jnp.arange(5))
        for t in range(5):
            assert (together.word0[t], together.word1[t]) == (root.step(t).word0, root.step(t).word1)

    def test_a_draw_with_more_than_four_words_keeps_the_first_four(self, generator):
        draw = stream(1, generator).at(jnp.arange(50))
        columns = [np.asarray(draw.uniform(word)) for word in range(9)]
        np.testing.assert_array_equal(columns[2], stream(1, generator).uniform(jnp.arange(50), 2))
        assert len({column.tobytes() for column in columns}) == 9

    def test_the_key_of_a_stream_serves_any_sampler(self, generator):
        one, other = (jax.random.normal(stream(1, generator).site(name).key(), (4,)) for name in (1, 2))
        assert jnp.isfinite(one).all()
        assert (one != other).all()

    def test_jit_gives_the_same_bytes(self, generator):
        draws = [call(jnp.arange(99)) for call in (stream(5, generator).uniform, jit(stream(5, generator).uniform))]
        assert np.asarray(draws[0]).tobytes() == np.asarray(draws[1]).tobytes()


def words_of_children(root):
    """Words of sites, of steps, and of sites below steps."""
    sites = [root.site(name) for name in range(10)]
    steps = [root.step(t) for t in range(10)]
    below = [step.site(name) for step, name in itertools.product(steps, range(5))]
    return [words(child, FIRST_WORDS) for child in sites + steps + below]


def test_the_two_generators_differ():
    assert (stream(0).uniform(jnp.arange(100)) != stream(0, "threefry").uniform(jnp.arange(100))).all()


def test_the_counter_hash_is_pcg4d_in_exact_integers():
    """Jarzynski & Olano (2020), listing "pcg4d", in Python integers modulo 2**32."""
    rng = np.random.default_rng(0)
    for inputs in rng.integers(2**32, size=(20, 4)).tolist():
        x, y, z, w = ((word * 1664525 + 1013904223) % 2**32 for word in inputs)
        for last in (False, True):
            x = (x + y * w) % 2**32
            y = (y + z * x) % 2**32
            z = (z + x * y) % 2**32
            w = (w + y * z) % 2**32
            if not last:
                x, y, z, w = (word ^ (word >> 16) for word in (x, y, z, w))
        assert [int(word) for word in pcg4d(*(jnp.uint32(word) for word in inputs))] == [x, y, z, w]


def test_a_key_of_four_words_uses_all_of_them():
    keys = jax.random.split(jax.random.key(0, impl="rbg"), 64)
    streams = Stream.from_key(keys)
    assert len(set(zip(streams.word0.tolist(), streams.word1.tolist(), strict=True))) == 64
    raw = jnp.array([1, 2, 3, 4], jnp.uint32)
    assert Stream.from_key(raw).word0 != Stream.from_key(raw.at[3].set(5)).word0


def test_seeds_purposes_and_lanes_never_share_a_key():
    keys = [
        jax.random.key_data(lane_keys(seed, purpose, 4096)) for seed in range(10) for purpose in (TRAIN, TUNE, EVALUATE)
    ]
    flat = np.concatenate([np.asarray(block, np.uint64) for block in keys])
    assert flat.shape == (10 * 4096 * 3, 2)
    assert np.unique(flat[:, 0] << np.uint64(32) | flat[:, 1]).size == flat.shape[0]


def test_later_lanes_are_those_of_a_longer_list():
    later, every = (jax.random.key_data(lane_keys(4, TRAIN, *which)) for which in ((3, 5), (8,)))
    np.testing.assert_array_equal(later, every[5:])


def test_uniforms_are_exact_never_zero_or_one_and_so_are_their_complements():
    uniform = np.asarray(stream(2).uniform(jnp.arange(NUM_DRAWS)))
    assert uniform.dtype == np.float32
    scaled = uniform.astype(np.float64) * 2**24
    assert (scaled % 2 == 1).all()
    assert scaled.min() > 0
    assert scaled.max() < 2**24
    assert ((np.float32(1) - uniform).astype(np.float64) == 1 - uniform.astype(np.float64)).all()


def test_normals_stay_within_their_bound():
    tails = jnp.array([2.0**-24, 1 - 2.0**-24], jnp.float32)
    assert np.abs(normal_from_uniform(tails)).max() <= NORMAL_BOUND


@pytest.fixture(scope="module")
def uniforms():
    """Uniforms of the counter generator along each address, in the form (draws), one axis at a time."""
    root = stream(11)
    indices = jnp.arange(NUM_DRAWS)
    keys = lane_keys(0, EVALUATE, NUM_DRAWS)
    return {
        "index": root.step(3).site(1).uniform(indices),
        "word": jnp.stack([root.step(3).site(1).uniform(indices[: NUM_DRAWS // 4], word) for word in range(4)], 1),
        "step": root.step(indices).site(1).uniform(7),
        "site": jnp.stack([root.site(name).uniform(indices[:4096]) for name in range(64)], axis=1),
        "lane": Stream.from_key(keys).step(3).site(1).uniform(7),
        "consecutive keys": jax.vmap(lambda word: Stream(jnp.uint32(0), word).uniform(7))(indices.astype(jnp.uint32)),
    }


ALONG = ("index", "word", "step", "site", "lane", "consecutive keys")


@pytest.mark.parametrize("along", ALONG)
def test_moments_are_those_of_a_uniform(uniforms, along):
    value = centred(uniforms[along]).reshape(-1)
    # Moments of a uniform of mean 0 and variance 1: E x^2 = 1, E x^4 = 9/5, E x^6 = 27/7, E x^8 = 9.
    powers = {1: (0, 1), 2: (1, 9 / 5 - 1), 3: (0, 27 / 7), 4: (9 / 5, 9 - 81 / 25)}
    for power, (mean, variance) in powers.items():
        z = (np.mean(value**power) - mean) / np.sqrt(variance / value.size)
        assert abs(z) < Z, power


@pytest.mark.parametrize("along", ALONG)
@pytest.mark.parametrize("lag", [1, 2, 4, 16])
def test_draws_along_each_address_are_serially_uncorrelated(uniforms, along, lag):
    value = centred(uniforms[along]).reshape(-1)
    assert abs(correlation_z(value[lag:], value[:-lag])) < Z


@pytest.mark.parametrize(("left", "right"), list(itertools.combinations(range(4), 2)))
def test_the_four_words_of_a_draw_are_uncorrelated(left, right):
    child = stream(1).site(1)
    columns = (centred(child.uniform(jnp.arange(NUM_DRAWS), word)) for word in (left, right))
    assert abs(correlation_z(*columns)) < Z


def test_lanes_are_uncorrelated_with_each_other():
    lanes, draws = 64, 4096
    keys = lane_keys(0, TRAIN, lanes)
    value = centred(jax.vmap(lambda key: Stream.from_key(key).step(0).site(1).uniform(jnp.arange(draws)))(keys))
    correlations = (value @ value.T / np.sqrt(draws))[np.triu_indices(lanes, 1)]
    # 2016 pairs: the largest of them is held to the same rate, by Bonferroni |z| < 5.8, and so is their mean square.
    assert np.abs(correlations).max() < 5.8
    assert abs(np.mean(correlations**2) - 1) < Z * np.sqrt(2 / correlations.size)


def chi_square_p(counts):
    """p of equal expected counts, the smaller side doubled."""
    expected = counts.sum() / counts.size
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return 2 * min(chi2.sf(statistic, counts.size - 1), chi2.cdf(statistic, counts.size - 1))


@pytest.mark.parametrize("word", range(4))
@pytest.mark.parametrize(
    ("shift", "bits"),
    [(0, 16), (16, 16), (0, 4), (9, 8)],
    ids=["low half", "high half", "lowest bits", "last used bits"],
)
def test_bits_of_each_word_are_equally_frequent(word, shift, bits):
    drawn = np.asarray(stream(4).site(1).words(jnp.arange(2**19))[word])
    counts = np.bincount((drawn >> shift) & (2**bits - 1), minlength=2**bits)
    assert chi_square_p(counts) > ALARM


@pytest.mark.parametrize("along", ALONG)
def test_successive_pairs_fill_the_square_evenly(uniforms, along):
    pairs = np.floor(np.asarray(uniforms[along]).reshape(-1, 2) * 64).astype(int)
    counts = np.bincount(pairs[:, 0] * 64 + pairs[:, 1], minlength=64 * 64)
    assert chi_square_p(counts) > ALARM


def test_markets_of_both_generators_have_the_same_averages():
    """Eight means over 4,000 steps of either generator, each held to |z| < 4.42."""
    means = {}
    for generator in GENERATORS:
        env = make_ad_auction(horizon=4, search_volume_mean=100.0, search_volume_std=10.0, generator=generator)
        params = env.default_params

        def episode(key, env=env, params=params):
            def step(state, _):
                _, state, *_, info = env.step_env(key, state, jnp.array([1.5]), params)
                return state, info

            return jax.lax.scan(step, env.reset_env(key, params)[1], None, 4)[1]

        info = jit(jax.vmap(episode))(lane_keys(0, EVALUATE, 1000))
        means[generator] = {name: np.asarray(value, np.float64).mean(axis=1) for name, value in info.items()}
    for name in ("search_volume", "impression", "click", "conversion", "cost", "average_bid_price", "win_rate"):
        one, other = (means[generator][name] for generator in GENERATORS)
        z = (one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / one.size)
        assert abs(z) < Z, name


@pytest.mark.parametrize("key", [3, 3.5, np.int64(3), jnp.arange(2), None])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match=r"key must be a JAX key, as jax.random.key\(seed\) gives"):
        Stream.from_key(key)
