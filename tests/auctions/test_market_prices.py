"""Market-price laws and their tables, against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rtb_envs.auctions import quantile_tables
from rtb_envs.auctions.market_prices import EmpiricalPrice, GammaPrice, LogNormalPrice, RivalsPrice, TabulatedPrice
from rtb_envs.random import Stream

SHAPES = np.array([0.5, 0.53, 0.7, 1.0, 1.14, 1.87, 3.3, 10.0, 50.0, 123.4, 200.0], np.float32)
SCALES = np.linspace(0.5, 90.0, SHAPES.size, dtype=np.float32)
TAIL = np.geomspace(1e-5, 0.5, 3000, dtype=np.float32)
LOWER = np.union1d(TAIL, np.linspace(1e-3, 0.5, 3000, dtype=np.float32))
UNIFORMS = np.concatenate([LOWER, (1 - LOWER)[::-1]]).astype(np.float32)
LAWS = {
    "gamma": GammaPrice(jnp.array([2.0, 50.0]), jnp.array([30.0, 1.0])),
    "log-normal": LogNormalPrice(jnp.array([4.0, 3.0]), jnp.array([0.8, 0.3])),
    "rivals": RivalsPrice(jnp.array([4.0, 3.0]), jnp.array([0.8, 0.3]), num_rivals=5),
    "empirical": EmpiricalPrice(jnp.array([[1.0, 2.0, 2.0, 50.0], [3.0, 4.0, 5.0, 6.0]])),
}

quantile = jax.jit(quantile_tables.quantile)


def quantiles(law, num_laws):
    """Tabulated quantiles of each law at UNIFORMS, shape (num_laws, uniforms)."""
    return np.asarray(quantile(law.tabulated().table, jnp.arange(num_laws)[:, None], UNIFORMS[None]))


def exact(distribution):
    """Quantiles at UNIFORMS, the upper half through the survival function."""
    u = UNIFORMS.astype(np.float64)
    return np.where(u < 0.5, distribution.ppf(u), distribution.isf(1 - u))


def test_gamma_quantiles_are_within_the_stated_error_over_shapes_from_a_half_to_two_hundred():
    tabulated = quantiles(GammaPrice(jnp.array(SHAPES), jnp.array(SCALES)), SHAPES.size)
    for row, shape, scale in zip(tabulated, SHAPES, SCALES, strict=True):
        gamma = stats.gamma(shape, scale=scale)
        assert np.abs(row - exact(gamma)).max() < 2.5e-3 * gamma.std()


@pytest.mark.parametrize(("log_std", "inside", "outside"), [(0.1, 1e-3, 1e-3), (0.5, 2e-3, 3e-3), (1.15, 4e-3, 2.2e-2)])
def test_log_normal_quantiles_are_within_the_stated_error(log_std, inside, outside):
    law = LogNormalPrice(jnp.array([4.0]), jnp.array([log_std]))
    log_normal = stats.lognorm(np.float32(log_std), scale=np.exp(4.0))
    error = np.abs(quantiles(law, 1)[0] - exact(log_normal)) / log_normal.std()
    assert error[(UNIFORMS > 0.01) & (UNIFORMS < 0.99)].max() < inside
    assert error.max() < outside


@pytest.mark.parametrize("num_rivals", [1, 2, 7, 1000])
def test_the_highest_of_n_rivals_has_the_nth_power_of_one_rivals_distribution(num_rivals):
    law = RivalsPrice(jnp.array([0.0]), jnp.array([0.2]), num_rivals)
    one = stats.norm(0, np.float32(0.2))
    price = quantiles(law, 1)[0].astype(np.float64)
    survival = -np.expm1(num_rivals * one.logcdf(np.log(price)))
    np.testing.assert_allclose(1 - survival, UNIFORMS, atol=1.5e-3)
    in_upper_tail = UNIFORMS > 0.999
    np.testing.assert_allclose(survival[in_upper_tail], 1 - UNIFORMS[in_upper_tail].astype(np.float64), rtol=2e-2)


def test_empirical_quantiles_are_interpolated_at_the_middles_of_their_probabilities():
    observed = np.sort(np.random.default_rng(0).gamma(2.0, 30.0, 200)).astype(np.float32)
    tabulated = quantiles(EmpiricalPrice(jnp.array(observed)), 1)[0]
    expected = np.interp(UNIFORMS, (np.arange(200) + 0.5) / 200, observed)
    # A cell of the table is at most 1/64 wide: three of these quantiles, whose kinks it smooths.
    assert np.abs(tabulated - expected).max() < 0.05 * observed.std()
    assert tabulated[UNIFORMS < 0.002].max() == observed[0]
    assert tabulated[UNIFORMS > 0.998].min() == observed[-1]


def test_an_empirical_law_with_one_quantile_is_a_fixed_price():
    np.testing.assert_array_equal(quantiles(EmpiricalPrice(jnp.array([7.0])), 1), 7.0)


def test_an_empirical_law_whose_quantiles_are_straight_is_reproduced_exactly():
    straight = EmpiricalPrice(jnp.array((np.arange(64) + 0.5) / 64))
    inside = np.abs(UNIFORMS - 0.5) < 0.5 - 1 / 64
    np.testing.assert_allclose(quantiles(straight, 1)[0][inside], UNIFORMS[inside], rtol=1e-6)


@pytest.mark.parametrize(
    ("law", "mean"),
    [
        (GammaPrice(jnp.array(SHAPES), jnp.array(SCALES)), stats.gamma(SHAPES, scale=SCALES).mean()),
        (
            LogNormalPrice(jnp.array([4.0, 4.0]), jnp.array([0.2, 1.15])),
            stats.lognorm([0.2, 1.15], scale=np.exp(4)).mean(),
        ),
    ],
)
def test_the_mean_of_a_law_is_exact_and_that_of_its_table_within_the_stated_error(law, mean):
    np.testing.assert_allclose(law.mean_price(), mean, rtol=2e-6)
    np.testing.assert_allclose(law.tabulated().mean_price(), mean, rtol=7e-4)


def test_the_mean_of_the_highest_of_two_rivals_is_the_closed_form():
    # E[max of two iid log-normals] = 2 exp(mu + sigma^2/2) Phi(sigma / sqrt 2).
    law = RivalsPrice(jnp.array([1.0]), jnp.array([0.4]), num_rivals=2)
    expected = 2 * np.exp(1.0 + 0.08) * stats.norm.cdf(0.4 / np.sqrt(2))
    np.testing.assert_allclose(law.mean_price(), [expected], rtol=1e-4)


@pytest.mark.parametrize("name", LAWS)
def test_the_mean_of_a_table_is_the_average_of_its_quantiles(name):
    table = LAWS[name].tabulated().table
    evenly = ((np.arange(2**20) + 0.5) / 2**20).astype(np.float32)
    average = np.asarray(quantile(table, jnp.arange(2)[:, None], evenly[None]), np.float64).mean(axis=1)
    np.testing.assert_allclose(TabulatedPrice(table).mean_price(), average, rtol=2e-5)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_draws_the_quantiles_of_its_own_uniforms_from_its_table(name):
    draw = Stream.from_key(jax.random.key(5)).at(jnp.arange(500).reshape(20, 25))
    ad = jnp.arange(500).reshape(20, 25) % 2
    price = LAWS[name].price(draw, ad, 3)
    assert (price.shape, price.dtype) == (ad.shape, jnp.float32)
    table = LAWS[name].tabulated()
    np.testing.assert_array_equal(price, table.price(draw, ad, 0))
    np.testing.assert_array_equal(price, quantile_tables.quantile(table.table, ad, draw.uniform()))


def test_a_million_gamma_prices_follow_the_gamma_distribution():
    # Fixed seed. A correct sampler fails the Kolmogorov-Smirnov test with probability 1e-4 for each of the two ads;
    # the table's own error, 1e-3 standard deviations, is far below what a million draws can see.
    law = GammaPrice(jnp.array([1.5, 50.0]), jnp.array([45.0, 1.0])).tabulated()
    draw = Stream.from_key(jax.random.key(11)).at(jnp.arange(1_000_000))
    for ad, gamma in enumerate((stats.gamma(1.5, scale=45), stats.gamma(50))):
        price = np.asarray(law.price(draw, jnp.full(1_000_000, ad), 0))
        assert stats.kstest(price, gamma.cdf).pvalue > 1e-4


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(LAWS)),
    lower=st.integers(0, 2**23 - 1),
    step=st.integers(1, 2**14),
    ad=st.integers(0, 1),
)
def test_a_larger_uniform_never_gives_a_lower_price(name, lower, step, ad):
    uniform = (np.minimum([lower, lower + step], 2**23 - 1) + 0.5) * 2.0**-23
    price = np.asarray(quantile(LAWS[name].tabulated().table, jnp.int32(ad), uniform.astype(np.float32)))
    assert price[0] <= price[1]


@pytest.mark.parametrize("name", LAWS)
def test_the_ends_of_the_table_and_its_middle_are_joined(name):
    table = LAWS[name].tabulated().table
    half = quantile_tables.HALF
    at = np.array([0.0, 2.0**-24, 0.5 - 2.0**-24, 0.5, 0.5 + 2.0**-24, 1 - 2.0**-24, 1.0], np.float32)
    price = np.asarray(quantile(table, jnp.int32(1), at))
    assert np.isfinite(price).all()
    np.testing.assert_array_equal(price[[0, 1, 5, 6]], table[1][np.array([0, 0, half, half])])
    np.testing.assert_allclose(price[[2, 4]], price[3], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(shape=st.floats(-5, 1e6, width=32), scale=st.floats(-5, 1e6, width=32))
def test_gamma_prices_are_finite_and_not_negative_for_any_finite_parameters(shape, scale):
    law = GammaPrice(jnp.array([shape]), jnp.array([scale]))
    assert np.isfinite(law.tabulated().table).all()
    assert (law.tabulated().table >= 0).all()
    assert (law.mean_price() >= 0).all()


@pytest.mark.parametrize("name", LAWS)
def test_a_table_is_the_same_whether_traced_mapped_over_laws_or_neither(name):
    law = LAWS[name]
    plain = law.tabulated().table
    np.testing.assert_allclose(jax.jit(lambda law: law.tabulated().table)(law), plain, rtol=1e-5)
    stacked = jax.tree.map(lambda array: jnp.stack([array, 2 * array]), law)
    mapped = jax.vmap(lambda law: law.tabulated().table)(stacked)
    np.testing.assert_allclose(mapped[0], plain, rtol=1e-5)


@pytest.mark.parametrize(
    "law",
    [
        GammaPrice(jnp.float32(2.0), jnp.float32(30.0)),
        LogNormalPrice(jnp.array([4.0]), jnp.array([0.8])),
        EmpiricalPrice(jnp.array([1.0, 2.0, 5.0])),
    ],
)
def test_a_law_with_a_single_entry_serves_every_ad(law):
    table = law.tabulated().table
    assert table.shape == (1, 2 * quantile_tables.HALF)
    uniform = jnp.full(3, 0.3)
    price = quantile_tables.quantile(table, jnp.array([0, 7, 99]), uniform)
    np.testing.assert_array_equal(price, jnp.full(3, price[0]))


@pytest.mark.parametrize("num_rivals", [0, -3, 2.0, None])
def test_a_number_of_rivals_that_is_no_positive_integer_is_refused(num_rivals):
    with pytest.raises(ValueError, match="num_rivals: got"):
        RivalsPrice(jnp.zeros(1), jnp.ones(1), num_rivals)


@pytest.mark.parametrize("use", [lambda law: law.tabulated(), lambda law: law.mean_price()])
@pytest.mark.parametrize(
    ("law", "message"),
    [
        (LogNormalPrice(0.0, -1.0), r"log_std must hold finite numbers in \[0, inf\], got -1.0"),
        (RivalsPrice(jnp.array([jnp.nan]), jnp.ones(1), 2), "log_mean must hold finite numbers"),
        (GammaPrice(jnp.array([1.0, jnp.nan]), jnp.ones(2)), r"shape must hold finite numbers .* got nan at \(1,\)"),
        (GammaPrice(jnp.ones(1), jnp.array([jnp.inf])), "scale must hold finite numbers"),
    ],
)
def test_a_law_of_numbers_that_are_none_is_refused_when_it_is_used(use, law, message):
    with pytest.raises(ValueError, match=message):
        use(law)
