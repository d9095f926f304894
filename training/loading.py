"""Settings from their sources: command line over environment variables over a YAML file over the defaults.

Variables are the settings' names in capitals after ``RTB_``, with two underscores at each level: ``RTB_SEED``,
``RTB_STAGE1__ITERATIONS``, ``RTB_HYPERPARAMETERS__LEARNING_RATE``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict, SettingsError

from rtb_envs.layered_settings import LayeredSettings, read_settings
from rtb_envs.model_errors import rule_broken
from rtb_envs.yaml_reader import YamlError, parse_yaml
from training.run import RunError, RunFolder
from training.settings import Settings

PREFIX = "RTB_"
# The simulators' own variables, such as the cache's folder, are no settings of a run.
SIMULATOR_PREFIX = "RTB_ENVS_"


class ConfigurationError(Exception):
    """The settings cannot be used; the message is one line that names field, value and what is allowed."""


class _Layered(Settings, LayeredSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


def load(given: Mapping[str, Any], config: Path | None = None, assignments: Sequence[str] = ()) -> Settings:
    """The settings of a run.

    ``given`` and ``assignments`` ("stage1.iterations=5", values in YAML) come from the command line. Raises
    ConfigurationError for an unknown name anywhere, a wrong value, or a file that cannot be read as settings.
    """
    _check_variables()
    layers: dict[str, Any] = dict(given)
    for assignment in assignments:
        _assign(layers, assignment)
    try:
        content = {} if config is None else read_settings(config)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    try:
        layered = _Layered.over_file(content)(**layers)
        settings = Settings.model_validate(layered.model_dump())
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(_described, error.errors()))) from None
    except SettingsError as error:
        raise ConfigurationError(f"{error}: a group of settings is given as a JSON object") from None
    if settings.is_team and "algo" in layered.model_fields_set:
        raise ConfigurationError(
            f"algo must be left out for env {settings.env}, which has many agents: algos names one for each; "
            f"got {settings.algo!r}"
        )
    return settings


def of_run(folder: RunFolder) -> Settings:
    """The settings that the run in a folder was started with.

    Raises RunError where there is none, or where they are those of a version that had others.
    """
    try:
        return Settings.model_validate(folder.read_settings())
    except ValidationError as error:
        reasons = "; ".join(map(_described, error.errors()))
        raise RunError(f"{folder.settings} holds settings of another version: {reasons}") from None


def _assign(layers: dict[str, Any], assignment: str) -> None:
    """Set one dotted name to its value in nested dictionaries."""
    path, equals, text = assignment.partition("=")
    if not equals or not all(path.split(".")):
        raise ConfigurationError(f"--set must be given as name=value, got {assignment!r}")
    *groups, name = path.split(".")
    for group in groups:
        layers = layers.setdefault(group, {})
        if not isinstance(layers, dict):
            raise ConfigurationError(f"--set {assignment!r}: {group} is a single value")
    try:
        layers[name] = parse_yaml(text)
    except YamlError as error:
        raise ConfigurationError(f"--set {path} {error}") from None


def _check_variables() -> None:
    """pydantic-settings passes over variables that it does not know, which would hide a misspelt one."""
    for variable in sorted(os.environ):
        if not variable.startswith(PREFIX) or variable.startswith(SIMULATOR_PREFIX):
            continue
        if variable.removeprefix(PREFIX).lower().split("__")[0] not in Settings.model_fields:
            raise ConfigurationError(_unknown(variable, [PREFIX + known.upper() for known in Settings.model_fields]))


def _described(error: ErrorDetails) -> str:
    """One line for one error of pydantic's."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return _unknown(name, list(_section(error["loc"][:-1]).model_fields))
    if error["type"] == "value_error" and not name:
        return error["msg"].removeprefix("Value error, ")
    return f"{name} {rule_broken(error)}"


def _section(path: Sequence[int | str]) -> type[BaseModel]:
    """The model of the settings group at ``path``."""
    section: type[BaseModel] = Settings
    for name in path:
        annotation = section.model_fields[str(name)].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        section = next(kind for kind in kinds if issubclass(kind, BaseModel))
    return section


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"{name} is no setting; the settings are {', '.join(known)}"
