"""Makes the pictures of an episode that README and documentation show: `python docs/pictures.py`."""

from pathlib import Path

import gymnasium
import jax
import matplotlib.image
import numpy as np
from PIL import Image

import rtb_envs  # noqa: F401  (registers the ids)
from rtb_envs.policies.pid import PID
from rtb_envs.random import Stream

STATIC = Path(__file__).parent / "_static"
ID, OPTIONS, SEED = "AdAuction-v0", {"preset": "stage3"}, 3
FRAME_SECONDS, LAST_FRAME_SECONDS = 0.25, 4.0


def frames(render_mode):
    """The rendered frames of an episode that a PID controller bids in, one after each step."""
    env = gymnasium.make(ID, render_mode=render_mode, **OPTIONS)
    policy = PID.for_env(env.unwrapped.core, base_multiplier=0.8)
    act = jax.jit(policy.act)
    memory = policy.init(env.unwrapped.params)
    observation, _ = env.reset(seed=SEED)
    shown, terminated = [], False
    while not terminated:
        action, memory = act(Stream.from_key(jax.random.key(0)), memory, observation)
        observation, _, terminated, _, _ = env.step(np.asarray(action))
        shown.append(env.render())
    return shown


def save_animation(pictures, path):
    """A GIF that holds its last picture."""
    images = [Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    seconds = [FRAME_SECONDS] * (len(images) - 1) + [LAST_FRAME_SECONDS]
    milliseconds = [round(1000 * duration) for duration in seconds]
    images[0].save(path, save_all=True, append_images=images[1:], duration=milliseconds, loop=0, optimize=True)


if __name__ == "__main__":
    pictures = frames("rgb_array")
    matplotlib.image.imsave(STATIC / "ad_auction.png", pictures[-1])
    save_animation(pictures, STATIC / "ad_auction.gif")
    (STATIC / "ad_auction.txt").write_text(frames("ansi")[-1], encoding="utf-8")
