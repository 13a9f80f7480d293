"""A deterministic simulation of one stack: the real worker, tasks, control and recovery code over simulated edges.

Everything runs in one OS thread. Each simulated thread is a greenlet; each effect on an edge is a point where another
one may go on, and where something may break. One seed decides all of it, so a seed is a history:

    python -m spec.simulation SEED
"""
