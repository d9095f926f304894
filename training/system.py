"""What a result depends on beside its settings: library versions and the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import rtb_envs

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "gymnasium", "numpy")


def describe() -> dict[str, Any]:
    """Versions, processor, devices and operating system, as JSON values."""
    return {
        "versions": {
            "rtb-envs": rtb_envs.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()],
        },
    }


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
