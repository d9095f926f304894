"""Compiler options change speed, never results."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs import core
from rtb_envs.compile import CPU_OPTIONS, compiler_options, dispatch_inline, enable_cache, jit
from rtb_envs.envs.ad_auction import make_ad_auction
from rtb_envs.random import EVALUATE, lane_keys

LANES = 16


def test_a_rollout_gives_the_same_bytes_with_the_cpu_options_and_with_their_opposites():
    env = make_ad_auction(horizon=3)
    params = env.default_params

    def run(keys, multiplier):
        def step(lanes, _):
            lanes, outcome = core.autoreset_batch(env, lanes, jnp.full((LANES, 1), multiplier), params)
            return lanes, (lanes.observation, outcome.reward, outcome.info)

        return jax.lax.scan(step, core.start_batch(env, keys, params), None, length=7)[1]

    keys = lane_keys(0, EVALUATE, LANES)
    opposites = {name: not value for name, value in compiler_options().items()}
    other, tuned = jax.jit(run, compiler_options=opposites)(keys, 1.0), jit(run)(keys, 1.0)
    for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(tuned), strict=True):
        np.testing.assert_array_equal(a, b)


def test_options_are_only_given_to_a_cpu_backend_that_knows_them():
    assert compiler_options() in ({}, CPU_OPTIONS)
    if jax.default_backend() != "cpu":
        assert compiler_options() == {}


def test_a_cache_directory_that_the_user_chose_is_left_alone(tmp_path):
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        enable_cache()
        assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_an_empty_variable_turns_the_cache_off(monkeypatch):
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        monkeypatch.setenv("RTB_ENVS_CACHE", "")
        enable_cache()
        assert jax.config.values["jax_compilation_cache_dir"] is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_a_made_environment_runs_its_programs_on_the_calling_thread():
    script = "import rtb_envs, jax; rtb_envs.make('AdAuction-v0'); print(jax.config.values[DISPATCH])"
    script = script.replace("DISPATCH", "'jax_cpu_enable_async_dispatch'")
    environment = {name: value for name, value in os.environ.items() if name != "JAX_CPU_ENABLE_ASYNC_DISPATCH"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_a_dispatch_that_the_user_chose_is_left_alone(monkeypatch):
    before = jax.config.values["jax_cpu_enable_async_dispatch"]
    try:
        jax.config.update("jax_cpu_enable_async_dispatch", True)
        monkeypatch.setenv("JAX_CPU_ENABLE_ASYNC_DISPATCH", "true")
        dispatch_inline()
        assert jax.config.values["jax_cpu_enable_async_dispatch"] is True
    finally:
        jax.config.update("jax_cpu_enable_async_dispatch", before)


def test_a_forked_process_is_told_to_be_spawned_instead_of_waiting_forever():
    script = """
import os, rtb_envs
rtb_envs.make("AdAuction-v0")
read, write = os.pipe()
if os.fork() == 0:
    try:
        rtb_envs.make("AdAuction-v0")
    except RuntimeError as error:
        os.write(write, str(error).encode())
    os._exit(0)
os.wait()
os.close(write)
print(os.read(read, 1000).decode())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert 'context="spawn"' in run.stdout
