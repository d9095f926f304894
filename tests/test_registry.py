"""What `import rtb_envs` offers, and the ids it registers."""

import subprocess
import sys
import tomllib
from pathlib import Path

import gymnasium
import pytest

import rtb_envs
from rtb_envs import registry

ROOT = Path(__file__).resolve().parents[1]


def test_ids_are_listed_and_registered_with_gymnasium_without_loading_jax():
    program = (
        "import sys, rtb_envs, gymnasium\n"
        "print(*rtb_envs.list_envs())\n"
        "print(*(gymnasium.spec(id).id for id in rtb_envs.list_envs()))\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    listed, registered, has_jax = done.stdout.splitlines()
    assert listed.split() == registered.split() == sorted(listed.split())
    assert {"AdAuction-v0", "AdAuctionBidCurve-v0", "AdAuctionDiscrete-v0"} <= {*listed.split()}
    assert {"RTBEnv-continuous-v0", "RTBEnv-discrete-v0"} <= {*listed.split()}
    assert has_jax == "False"
    assert done.stderr == ""


def test_the_version_is_that_of_the_distribution():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert rtb_envs.__version__ == declared


def test_names_that_are_loaded_on_first_use_are_the_functions_themselves():
    from rtb_envs.core import make
    from rtb_envs.rollouts import rollout

    assert rtb_envs.make is make
    assert rtb_envs.rollout is rollout
    assert {"make", "rollout", "list_envs"} <= set(dir(rtb_envs))


def test_a_name_that_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rtb_envs' has no attribute 'manufacture'"):
        rtb_envs.manufacture  # noqa: B018


def test_an_id_can_be_registered_once_and_is_then_known_to_make_and_to_gymnasium():
    try:
        registry.register("Toy-v0", "tests.toy:Toy", longest_episode=3)
        assert "Toy-v0" in rtb_envs.list_envs()
        assert int(rtb_envs.make("Toy-v0").default_params.longest_episode) == 3
        assert int(rtb_envs.make("Toy-v0", longest_episode=4).default_params.longest_episode) == 4
        with gymnasium.make("Toy-v0", longest_episode=5) as env:
            assert int(env.unwrapped.params.longest_episode) == 5
        with pytest.raises(ValueError, match="id must be new, got 'Toy-v0'"):
            registry.register("Toy-v0", "tests.toy:Toy")
    finally:
        registry._REGISTRY.pop("Toy-v0", None)
        gymnasium.registry.pop("Toy-v0", None)


def test_an_entry_point_must_name_module_and_callable():
    with pytest.raises(ValueError, match=r"entry_point must be of the form \"module:callable\", got 'tests.toy'"):
        registry.register("Toy-v0", "tests.toy")
    assert "Toy-v0" not in gymnasium.registry
