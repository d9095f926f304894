"""Settings in layers: what is given over environment variables over a YAML file over the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from rtb_envs.validation import shown
from rtb_envs.yaml_reader import YamlError, read_yaml


class LayeredSettings(BaseSettings):
    """The base of settings that are read in layers; variables are named by the subclass's ``env_prefix``."""

    file_content: ClassVar[Mapping[str, Any]] = {}
    """What the file holds: a class of its own for each file, as pydantic-settings takes sources from the class."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, dict(cls.file_content))

    @classmethod
    def over_file(cls, content: Mapping[str, Any]) -> type[Self]:
        """These settings with the ``content`` of a file under the variables."""
        attributes = {"file_content": content, "__module__": cls.__module__}
        return cast(type[Self], type(cls.__name__, (cls,), attributes))


def read_settings(path: Path) -> dict[str, Any]:
    """What the YAML file at ``path`` holds; ValueError, in one line, for a file that holds no settings."""
    try:
        content = read_yaml(path)
    except OSError as error:
        raise ValueError(f"config {path} cannot be read: {error}") from None
    except YamlError as error:
        raise ValueError(f"config {path}: {error}") from None
    if not isinstance(content or {}, dict):
        raise ValueError(f"config {path} must hold settings as name: value, got {shown(content)}")
    return content or {}
