import os
from pathlib import Path

import pytest
import yaml

from agents.a2c_settings import A2CSettings
from training.loading import ConfigurationError, load
from training.settings import Settings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in os.environ:
        if name.startswith("RTB_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path):
    """Write a YAML file of settings."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_defaults(config, monkeypatch):
    path = config("{seed: 1, chunk_iterations: 7, stage3: {iterations: 501}, stage1: {iterations: 41, threshold: 0.5}}")
    monkeypatch.setenv("RTB_SEED", "2")
    monkeypatch.setenv("RTB_STAGE3__ITERATIONS", "502")
    monkeypatch.setenv("RTB_STAGE1__ITERATIONS", "42")
    settings = load({"seed": "3"}, path, ["stage1.options={drift: 0.1}"])
    assert settings.seed == 3
    assert settings.stage3.iterations == 502
    assert settings.iterations == 42 + 30 + 502
    assert settings.chunk_iterations == 7
    assert settings.stage1.model_dump() == {"iterations": 42, "threshold": 0.5, "options": {"drift": 0.1}}
    assert settings.evaluation == Settings().evaluation


@pytest.mark.parametrize("source", ["command line", "environment", "file"])
def test_the_algorithm_of_one_learner_is_refused_for_a_team_wherever_it_comes_from(config, monkeypatch, source):
    path = config("{env: retargeting_v0, algo: dqn}" if source == "file" else "env: retargeting_v0")
    if source == "environment":
        monkeypatch.setenv("RTB_ALGO", "dqn")
    with pytest.raises(ConfigurationError, match=r"algo must be left out for env retargeting_v0.*got 'dqn'"):
        load({"algo": "dqn"} if source == "command line" else {}, path)
    monkeypatch.delenv("RTB_ALGO", raising=False)
    assert load({}, config("env: retargeting_v0")).is_team


def test_an_assignment_sets_one_value_deep_inside(config):
    path = config("env_options: {drift: 0.1, n_ads: 5}")
    settings = load({}, path, ["env_options.drift=0.2", "hyperparameters.learning_rate=1e-3", "stage2.threshold=0.9"])
    assert settings.env_options == {"drift": 0.2, "n_ads": 5}
    assert settings.hyperparameters == {"learning_rate": 0.001}
    assert settings.stage2.threshold == 0.9


def test_options_from_the_environment_are_numbers_where_they_look_like_numbers(monkeypatch):
    monkeypatch.setenv("RTB_ENV_OPTIONS__N_ADS", "5")
    monkeypatch.setenv("RTB_ENV_OPTIONS__DAY_CURVE", "true")
    monkeypatch.setenv("RTB_ENV_OPTIONS__PRICING", "first_price")
    assert load({}).env_options == {"n_ads": 5, "day_curve": True, "pricing": "first_price"}


def test_an_empty_variable_and_the_simulators_own_variables_set_nothing(monkeypatch):
    monkeypatch.setenv("RTB_SEED", "")
    monkeypatch.setenv("RTB_ENVS_CACHE", "/nowhere")
    assert load({}) == Settings()


def test_the_example_configuration_shows_every_setting_at_its_default():
    path = CONFIGS / "ad_auction.yaml"
    assert load({}, path) == Settings()
    shown = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert shown.keys() == Settings.model_fields.keys() - {"out"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("sead=1", "sead is no setting; the settings are curriculum, env, algo, algos, seed"),
        ("stage1.iteration=1", "stage1.iteration is no setting; the settings are options, iterations, threshold"),
        ("stage3.threshold=1", "stage3.threshold is no setting; the settings are options, iterations"),
        ("seed=-1", "seed must be at least 0, got -1"),
        ("seed=abc", "seed must be an integer, got 'abc'"),
        ("seed.deep=1", "seed must be an integer, got {'deep': 1}"),
        ("curriculum=4", "curriculum must be at most 3, got 4"),
        ("curriculum=0", "curriculum must be at least 1, got 0"),
        ("iterations=60", "iterations is no setting; the settings are curriculum, env, algo, algos, seed"),
        ("stage3.iterations=.nan", "stage3.iterations must be a finite number, got nan"),
        ("stage3.iterations=0", "stage3.iterations must be at least 1, got 0"),
        ("stage3.iterations=5000001", "stage3.iterations must be at most 5000000, got 5000001"),
        ("stage1.iterations=true", "stage1.iterations must be an integer, got True"),
        ("stage1.threshold=true", "stage1.threshold must be a finite number, got True"),
        ("seed=false", "seed must be an integer, got False"),
        ("pool={foo: 1}", "pool.foo is no setting; the settings are size, period, share"),
        ("chunk_iterations=0", "chunk_iterations must be at least 1, got 0"),
        ("validation.seeds=1", "validation.seeds must be at least 2, got 1"),
        ("evaluation.episodes=many", "evaluation.episodes must be an integer"),
        ("stage1=3", "stage1 must be a mapping of names to values"),
        ("env_options=[1]", "env_options must be a mapping of names to values, got [1]"),
        ("env=AdAuction-v9", "env must be one of AdAuction-v0, "),
        ("algo=reinforce", "algo must be one of "),
        ("=3", "--set must be given as name=value, got '=3'"),
        ("seed", "--set must be given as name=value, got 'seed'"),
        ("seed=[1", "--set seed is not YAML: "),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it_its_value_and_what_is_allowed(assignment, message):
    with pytest.raises(ConfigurationError) as refused:
        load({}, None, [assignment])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RTB_SEDE", "1", "RTB_SEDE is no setting; the settings are RTB_CURRICULUM, RTB_ENV"),
        (
            "RTB_STAGE1__ITERATION",
            "1",
            "stage1.iteration is no setting; the settings are options, iterations, threshold",
        ),
        ("RTB_SEED", "x", "seed must be an integer, got 'x'"),
        ("RTB_STAGE1", "{", 'error parsing value for field "stage1"'),
    ],
)
def test_a_wrong_variable_is_refused_likewise(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load({})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1", "is not YAML: "),
        ("- seed", "must hold settings as name: value, got ['seed']"),
        ("seed: 1\nseed: 2", "settings.yaml: line 2: seed is given again, first in line 1"),
        ("stage1: {options: &a {drift: 0}}\nstage2: {options: *a}", "aliases are not taken"),
        ("env_options: {5: 6}", "line 1: the key 5 must be a text"),
        ("sead: 1", "sead is no setting; the settings are curriculum, env"),
        ("stage1: {iterations: none}", "stage1.iterations must be an integer"),
    ],
)
def test_a_wrong_file_is_refused_likewise(config, text, message):
    with pytest.raises(ConfigurationError) as refused:
        load({}, config(text))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_numbers_of_a_file_are_those_of_yaml_1_2(config):
    settings = load({}, config("{seed: 010, hyperparameters: {learning_rate: 1e-3, clip: no}}"))
    assert settings.seed == 10
    assert settings.hyperparameters == {"learning_rate": 0.001, "clip": "no"}


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*No such file"):
        load({}, tmp_path / "missing.yaml")


def test_an_empty_file_leaves_the_defaults(config):
    assert load({}, config("")) == Settings()


def test_the_learning_rate_falls_over_the_run_unless_the_hyperparameters_say_otherwise():
    assert Settings(stage3={"iterations": 70}).learner_hyperparameters == {"annealing_updates": 30 + 30 + 70}
    assert Settings(curriculum=1).learner_hyperparameters == {"annealing_updates": 30}
    given = {"annealing_updates": None, "gamma": 0.5}
    assert Settings(hyperparameters=given).learner_hyperparameters == given


def test_the_longest_run_is_one_that_learners_take():
    settings = Settings(**{f"stage{k}": {"iterations": 5_000_000} for k in (1, 2, 3)})
    A2CSettings(**settings.learner_hyperparameters).validate()


def test_a3c_is_trained_as_a2c_is():
    assert Settings(algo="a3c").learner_hyperparameters == Settings(algo="a2c").learner_hyperparameters


def test_the_run_folder_tells_runs_apart_and_out_replaces_it():
    assert Settings(seed=4, curriculum=2).run_folder == Path("runs/AdAuction-v0-ppo-seed4-curriculum2")
    assert Settings(out="elsewhere").run_folder == Path("elsewhere")
    assert Settings(out="elsewhere").identity() == Settings().identity()
