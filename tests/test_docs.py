"""The examples of README and documentation run as they are, in fresh interpreters, and print what is shown."""

import ast
import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from rtb_envs.envs.ad_auction import OBSERVATION_KEYS, PRESETS, Options

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
AD_AUCTION = ROOT / "docs" / "environments" / "ad_auction.md"
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
NEEDS_SB3 = "stable_baselines3"
NEEDS_D3RLPY = "d3rlpy"
NEEDS_RLLIB = "ray.rllib"
COMPILES_MUCH = {"adapters", "functional_core", "policies", "reports", "training"}
SEPARATOR = "\x1e"


@dataclass(frozen=True)
class Example:
    """A Python block of a page: the line it begins on, its text, and the output that the page shows for it."""

    line: int
    source: str
    output: str | None


def examples(page: Path) -> list[Example]:
    """The ```python blocks of a page; a ```text block right after one is its output."""
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
    return [Example(text[: match.start(1)].count("\n"), *match.groups()) for match in pattern.finditer(text)]


def script(parts: list[Example]) -> str:
    """A program of the blocks on the lines that they have in the page, so that an error names the right one."""
    lines: list[str] = []
    for part in parts:
        lines += [""] * (part.line - len(lines)) + part.source.splitlines()
        lines.append(f"print({SEPARATOR!r}, end='')")
    return "\n".join(lines) + "\n"


def run(page: Path, parts: list[Example], folder: Path) -> None:
    """Run the blocks in one fresh interpreter and compare what each prints with what the page shows."""
    program = folder / f"{page.stem}.py"
    program.write_text(script(parts), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, program], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{page.relative_to(ROOT)}:\n{done.stderr}"
    for part, printed in zip(parts, done.stdout.split(SEPARATOR), strict=False):
        if part.output is not None:
            agrees = doctest.OutputChecker().check_output(part.output, printed, doctest.ELLIPSIS)
            assert agrees, f"{page.relative_to(ROOT)}, line {part.line}: printed\n{printed}\nshown\n{part.output}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory in which the run exists that the examples load a policy of."""
    import jax

    import agents
    import rtb_envs
    from agents.ppo import PPO
    from agents.ppo_settings import PPOSettings

    env = rtb_envs.make("AdAuction-v0")
    learner = PPO(env, PPOSettings(num_envs=64))
    state = jax.jit(learner.init, static_argnums=0)(0, env.default_params)
    folder = tmp_path_factory.mktemp("examples")
    agents.save(learner.policy(state), folder / "runs" / "AdAuction-v0-ppo-seed0-curriculum3")
    return folder


def plain(parts: list[Example]) -> list[Example]:
    """The blocks that need nothing but this repository."""
    needed = (NEEDS_SB3, NEEDS_D3RLPY, NEEDS_RLLIB)
    return [part for part in parts if not any(name in part.source for name in needed)]


def pages_with_examples() -> list:
    """The pages whose examples need nothing else, those that take long to compile marked slow."""
    pages = [page for page in PAGES if plain(examples(page))]
    slow = pytest.mark.slow
    return [pytest.param(page, id=page.stem, marks=slow if page.stem in COMPILES_MUCH else ()) for page in pages]


@pytest.mark.parametrize("page", pages_with_examples())
def test_the_examples_of_a_page_run_one_after_the_other_and_print_what_it_shows(page, folder):
    run(page, plain(examples(page)), folder)


@pytest.mark.parametrize("part", plain(examples(README)), ids=lambda part: f"line_{part.line}")
def test_each_example_of_the_readme_runs_by_itself_in_a_fresh_interpreter(part, folder):
    run(README, [part], folder)


@pytest.mark.sb3
@pytest.mark.parametrize("page", [README, ROOT / "docs" / "adapters.md"], ids=lambda page: page.stem)
def test_each_example_with_stable_baselines3_runs_by_itself(page, tmp_path):
    for part in examples(page):
        if NEEDS_SB3 in part.source:
            run(page, [part], tmp_path)


@pytest.mark.rllib
def test_the_page_on_rllib_runs_to_its_end_where_there_is_rllib(tmp_path):
    page = ROOT / "docs" / "rllib.md"
    run(page, examples(page), tmp_path)


@pytest.mark.d3rlpy
def test_the_page_on_offline_data_runs_to_its_end_where_there_is_d3rlpy(tmp_path):
    page = ROOT / "docs" / "offline.md"
    run(page, examples(page), tmp_path)


def section(page: Path, heading: str) -> str:
    """The text under a heading of the second level."""
    return page.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_two_columns(text: str) -> list[tuple[str, str]]:
    """The first two cells of the table rows that begin with a name in code."""
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)


def test_the_page_of_ad_auction_lists_every_argument_with_its_default():
    listed = dict(first_two_columns(section(AD_AUCTION, "Arguments")))
    assert listed.pop("observation_keys") == "all seven"
    defaults = {field.name: field.default for field in fields(Options) if field.name != "observation_keys"}
    shown = {name: ast.literal_eval(default.strip("`")) for name, default in listed.items()}
    assert shown == {**defaults, "preset": None}


def test_the_page_of_ad_auction_lists_every_entry_of_the_observation_in_order():
    listed = re.findall(r"^\| (\d) \| `(\w+)` \|", section(AD_AUCTION, "Observation Space"), re.MULTILINE)
    assert listed == [(str(index), key) for index, key in enumerate(OBSERVATION_KEYS)]


def test_the_page_of_ad_auction_lists_every_preset():
    assert sorted(name for name, _ in first_two_columns(section(AD_AUCTION, "Presets"))) == sorted(PRESETS)


def test_the_page_of_ad_auction_lists_every_key_of_info():
    import jax
    import jax.numpy as jnp

    import rtb_envs

    env = rtb_envs.make("AdAuction-v0")
    key, params = jax.random.key(0), env.default_params
    state = jax.eval_shape(env.reset_env, key, params)[1]
    info = jax.eval_shape(env.step_env, key, state, jnp.ones(1), params)[-1]
    listed = re.findall(r"`(\w+)`", re.sub(r"^(?!\| `).*$", "", section(AD_AUCTION, "Information"), flags=re.MULTILINE))
    assert set(info) <= set(listed)


def test_the_readme_names_every_command_of_make_that_it_promises():
    commands = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    promised = set(re.findall(r"\bmake ([a-z0-9-]+)", README.read_text(encoding="utf-8")))
    assert {"train", "test"} <= promised <= commands
