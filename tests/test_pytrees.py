from dataclasses import dataclass, field, make_dataclass

import jax
import jax.numpy as jnp

from rtb_envs.pytrees import pytree


@pytree
@dataclass(frozen=True)
class Bid:
    price: object
    kind: str = field(default="first_price", metadata={"static": True})
    slot: object = 0


def named(name):
    """A class of this name with one field, and a method that tells the name."""
    made = make_dataclass(name, ["value"], frozen=True, namespace={"number": lambda self: self.value + int(name[1:])})
    return pytree(made)


def test_structures_of_different_classes_differ():
    one, other = named("C1"), named("C2")
    assert jax.tree.structure(one(1.0)) == jax.tree.structure(one(2.0))
    assert jax.tree.structure(one(1.0)) != jax.tree.structure(other(1.0))


def test_a_compiled_function_takes_every_class_for_itself():
    # 100 classes: with jax.tree_util.register_dataclass some of them were taken for others in nearly every process.
    classes = [named(f"C{number}") for number in range(100)]
    compiled = jax.jit(lambda tree: tree.number())
    found = [int(compiled(cls(jnp.int32(1000)))) for cls in classes]
    assert found == list(range(1000, 1100))


def test_static_fields_are_structure_and_the_others_are_children():
    bid = Bid(jnp.float32(2), "second_price", jnp.arange(3))
    leaves, structure = jax.tree.flatten(bid)
    assert len(leaves) == 2
    assert jax.tree.unflatten(structure, leaves).kind == "second_price"
    kinds = [jax.tree.structure(Bid(1.0, kind)) for kind in ("first_price", "second_price")]
    assert kinds[0] != kinds[1]
    doubled = jax.jit(jax.vmap(lambda bid: jax.tree.map(lambda leaf: 2 * leaf, bid)))(
        Bid(jnp.ones(3), "x", jnp.ones(3))
    )
    assert (doubled.kind, doubled.price.tolist()) == ("x", [2, 2, 2])


def test_paths_name_the_fields():
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(Bid(1.0, "x", {"a": 2.0}))]
    assert paths == [".price", ".slot['a']"]
