"""Rule-based policies in pure JAX: baselines outside an environment and rivals inside one.

``policy`` states the protocol; ``constant``, ``uniform_random`` and ``linear`` hold rules without memory. ``pacing``
is the base of rules that pace a budget by one bid multiplier a step: ``pid``, ``traffic_aware_pid``,
``multivariable_pid``, ``adaptive_linear``, ``mystique``, ``adaptive_pacing``, ``dual_mirror_descent``, ``online_lp``,
``min_pacing`` and ``broi``; ``cost_target`` is what those of them share that also limit the cost per action.
``stochastic`` states what a policy with known propensities is, ``exploration`` makes one of a rule.
"""
