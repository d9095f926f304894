"""Curriculum training: settings, trainer, checkpoints, held-out evaluation and report.

``python -m training train`` and ``python -m training evaluate`` are the ways in; ``training.run`` documents what a run
leaves on disk.
"""
