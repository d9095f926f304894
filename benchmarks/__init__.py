"""How fast the environments and the learner are on this machine: ``python -m benchmarks``, or ``make bench``.

Every case is prepared in a process of its own, so that neither memory nor compiled programs are shared, and with the
compilation cache off, so that the time to start is that of a fresh machine. Then all cases are timed in turns, one
repetition after the other: a slow spell of the machine meets them alike, and ratios are taken within a turn.
"""
