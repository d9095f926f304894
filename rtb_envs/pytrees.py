"""Frozen dataclasses as pytrees whose structure names their class."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import jax

Class = TypeVar("Class", bound=type)


def pytree(cls: Class) -> Class:
    """Make a dataclass a pytree: fields are its children, those of the metadata ``{"static": True}`` its structure.

    ``jax.tree_util.register_dataclass`` promises the same and does not serve. With jaxlib 0.10.2 the structures of two
    of its classes are equal where they have equally many fields and equal static ones, whatever the classes. Only their
    hashes differ, by numbers that are others in every process. The cache of ``jax.jit`` looks up by a part of the hash
    first and by equality then, so that a compiled function may take one class for another: a rule would act as a
    different rule, in one process of some twenty, and nothing would tell.
    """
    children = tuple(field.name for field in fields(cls) if field.init and not field.metadata.get("static", False))
    static = tuple(field.name for field in fields(cls) if field.init and field.metadata.get("static", False))
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in children)

    def flatten(tree: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(tree, name) for name in children), tuple(getattr(tree, name) for name in static)

    def flatten_with_keys(tree: Any) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        values, structure = flatten(tree)
        return tuple(zip(keys, values, strict=True)), structure

    def unflatten(structure: tuple[Any, ...], values: Any) -> Any:
        return cls(**dict(zip(static, structure, strict=True)), **dict(zip(children, values, strict=True)))

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
