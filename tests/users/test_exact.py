"""Marks for the compiler change no value: flags side by side, and what is computed after something else."""

import itertools

import jax.numpy as jnp
import numpy as np

from rtb_envs.users.exact import after, once, once_flags


def test_flags_come_back_as_they_were():
    flags = np.array(list(itertools.product([False, True], repeat=5))).T
    for flag, back in zip(flags, once_flags(*jnp.asarray(flags)), strict=True):
        np.testing.assert_array_equal(back, flag)


def test_marks_leave_whole_numbers_alone():
    whole = jnp.array([0, 1, 9_999, 2**31 - 2], jnp.int32)
    np.testing.assert_array_equal(once(whole), whole)
    np.testing.assert_array_equal(after(whole, jnp.array([0.0, 1.5, 0.0, 3.0])), whole)
