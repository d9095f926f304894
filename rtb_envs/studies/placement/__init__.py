"""Placement studies: scenario files in, event logs, metrics, comparisons and a page out.

``rtb placement run|compare|explain`` is the way in; see ``rtb_envs.envs.ad_placement`` for the simulator.
"""
