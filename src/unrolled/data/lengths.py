"""Sequences of other lengths: longer ones in further test sets, mixed ones in training."""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from unrolled.data.task import Array, Split, TestSet

FIRST, MOST = 10, 200
"""The sets are drawn after the three splits, from seeds that end in this and the numbers after it; of so many sequences
at most."""


def _ascending(lengths: list[int]) -> list[int]:
    if lengths != sorted(set(lengths)):
        raise ValueError("the lengths ascend")
    return lengths


Longer = Annotated[list[Annotated[int, Field(ge=2, le=10**5)]], AfterValidator(_ascending)]
"""How many steps the sequences of each further test set have."""


def refused(steps: int, longer: list[int], shortest: int | None = None) -> str | None:
    """Return why the lengths do not fit each other, or None."""
    if any(each <= steps for each in longer):
        return f"needs 'longer' test sets than its {steps} 'steps'"
    if shortest is not None and shortest >= steps:
        return f"needs a 'shortest' below its {steps} 'steps'"
    return None


def seeds(seed: int, longer: list[int], test: int) -> Iterator[tuple[int, list[int], int]]:
    """Yield the steps, the seed and the number of sequences of each longer test set."""
    for number, steps in enumerate(longer, FIRST):
        yield steps, [seed, number], min(test, MOST)


def test_set(steps: int, split: Split, **about: Any) -> dict[str, TestSet]:
    """Return a longer test set under its name."""
    return {f"steps_{steps}": TestSet.of(split, label=f"{steps} steps", **about)}


def mixed(random: np.random.Generator, count: int, steps: int, shortest: int | None) -> Array:
    """Return the length (N,) of each sequence: uniform from the shortest to all steps, or all of them."""
    return np.full(count, steps) if shortest is None else random.integers(shortest, steps + 1, count)
