"""Replay a seed and print its history, or run many: `python -m spec.simulation SEED [--count N]`."""

import argparse
import sys
import time
from collections import Counter

from spec.simulation.world import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m spec.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--count", type=int, default=1, help="run so many seeds from SEED on, and list violations")
    parser.add_argument("--stop", action="store_true", help="with --count: stop at the first violation")
    parser.add_argument("--without", action="append", default=[], help="overlook violations of this kind")
    asked = parser.parse_args()
    without = frozenset(asked.without)
    if asked.count == 1:
        return replay(asked.seed, without)
    return many(asked.seed, asked.count, without, stop=asked.stop)


def replay(seed: int, without: frozenset[str]) -> int:
    """Print one history. The answer: 1 if it violates something."""
    found = run(seed, verbose=True, without=without)
    print(found.plan)
    for when, who, what in found.history:
        print(f"{when:9.3f}  {who:32} {what}")
    print(f"seed {seed}: {found.effects} effects, {'; '.join(found.violations) or 'no violation'}")
    return 1 if found.violations else 0


def many(first: int, count: int, without: frozenset[str], *, stop: bool) -> int:
    """Run seeds, print each that violates something, and how often what was violated."""
    started, kinds, effects, ran = time.process_time(), Counter[str](), 0, 0
    for seed in range(first, first + count):
        done = run(seed, without=without)
        effects, ran = effects + done.effects, ran + 1
        if done.violations:
            print(f"seed {seed}: {done.violations[0]}", flush=True)
            kinds[done.violations[0].split(":")[0]] += 1
            if stop:
                break
    seconds = time.process_time() - started
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"
    print(f"{ran} seeds, violations: {found}; {effects} effects, {ran / seconds:.1f} seeds a second of CPU")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
