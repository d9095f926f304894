"""Rule-based policies in pure JAX: baselines outside an environment and rivals inside one.

``policy`` states the protocol; ``constant``, ``uniform_random``, ``linear``, ``pid`` and ``adaptive_pacing`` hold one
rule each.
"""
