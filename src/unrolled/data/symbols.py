"""What tasks of symbols share: sequences drawn from an alphabet, one-hot, asked for by cross-entropy."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from unrolled import registry
from unrolled.config import DataRow
from unrolled.data import lengths
from unrolled.data.record import SPLITS, Series
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Loss, Size, Split, Task, TestSet, drawn, long

if TYPE_CHECKING:  # pandas is imported where tables are made: data are made without
    import pandas as pd

DRAWN = slice(0, 60)
"""Answers that a figure draws, where each sequence has one."""


class Symbols(Task):
    """A task whose sequences are symbols, drawn at random; the network gives log-odds of the classes.

    A subclass says which symbols there are, draws them, and knows the cross-entropy of the best guess that sees no
    symbol, only how far the sequence is.
    """

    loss: ClassVar[Loss] = "cross_entropy"
    sourceless: ClassVar[bool] = True
    source: ClassVar[str]
    """Who has put the task."""
    shown: ClassVar[tuple[str, ...]]
    """Inputs and outputs that a figure of the data draws."""

    class Settings(registry.Settings):
        """`steps`, and as `longer` those of further test sets."""

        steps: Annotated[int, Field(ge=2)]
        longer: lengths.Longer = Field(default_factory=list)

    @abstractmethod
    def letters(self) -> tuple[list[str], list[str]]:
        """Return the names of the input symbols and of the classes."""

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int, steps: int, test: bool) -> tuple[Array, Array]:
        """Draw inputs (N, T) and targets (N, [T]), as places in `letters`; for training, or for a test."""

    @abstractmethod
    def chance(self) -> float:
        """Return the cross-entropy, in nats, of always giving how frequent each class is at each step."""

    def length(self, steps: int) -> int:
        """Return how many steps a sequence of so many `steps` has in all."""
        return steps

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return sequences of their whole length."""
        return {split: Size(getattr(row, split), self.length(self.settings.steps)) for split in SPLITS}

    def span(self, row: DataRow) -> int:
        """Return the whole length."""
        return self.length(self.settings.steps)

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a source, a washout, and test sets that are not longer."""
        if row.system is not None or row.record is not None:
            return "takes neither 'system' nor 'record': it draws its own symbols"
        if row.washout:
            return "takes no washout: every step has a target, or only the last"
        return lengths.refused(self.settings.steps, self.settings.longer)

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return how many input symbols and classes there are."""
        inputs, outputs = self.letters()
        return len(inputs), len(outputs)

    def inputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the input symbols."""
        return dict.fromkeys(self.letters()[0], "0 or 1")

    def outputs(self, row: DataRow, system: System | None) -> dict[str, str]:
        """Return the classes."""
        return {f"p({name})": "probability" for name in self.letters()[1]}

    def datasets(self, row: DataRow, source: System | Series | None) -> Data:
        """Draw each split from a seed of its own."""
        step, steps = row.step, self.settings.steps
        splits: dict[str, Split] = {
            split: self._split([row.seed, number], count, steps, step, split == "test")
            for number, (split, count) in enumerate(zip(SPLITS, (row.train, row.val, row.test), strict=True))
        }
        classes = self.letters()[1]
        about: dict[str, Any] = {"unit": "nats", "blank": classes.index("blank") if "blank" in classes else None}
        tests = {"test": TestSet.of(splits["test"], label=f"{steps} steps", **about)}
        for longer, seed, count in lengths.seeds(row.seed, self.settings.longer, row.test):
            tests |= lengths.test_set(longer, self._split(seed, count, longer, step, True), **about)
        return Data(splits["train"], splits["val"], tests, {"drawn": self.source}, splits["test"]["inputs"][:1])

    def _split(self, seed: list[int], count: int, steps: int, step: float, test: bool) -> Split:
        inputs, targets = self.draw(np.random.default_rng(seed), count, steps, test)
        times: Array = np.arange(float(count)) if self.many_to_one else step * np.arange(1.0, inputs.shape[1] + 1)
        symbols, classes = (np.eye(len(names), dtype=np.float32) for names in self.letters())
        return {"inputs": symbols[inputs], "targets": classes[targets], "times": times}

    def describe(self, row: DataRow) -> dict[str, Any]:
        """Return the cross-entropy of a guess."""
        found = {"chance": float(f"{self.chance():.6g}"), "score_label": "cross-entropy"}
        return found | ({"example_axis": "test sequence"} if self.many_to_one else {})

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> "pd.DataFrame":
        """Return some symbols of the first training sequence, and some targets."""
        x, y = data.train["inputs"][0], data.train["targets"][0]
        names = self.letters()
        lines = {name: x[:, k] for k, name in enumerate(names[0]) if name in self.shown}
        lines |= {f"p({name})": y[:, k] for k, name in enumerate(names[1]) if f"p({name})" in self.shown}
        return long(lines, data.facts["step"] * np.arange(1.0, len(x) + 1), "train", "channel")

    def example(self, lines: dict[str, Array], times: Array, outputs: list[str]) -> "pd.DataFrame":
        """Return the first sequence, or some answers: a figure of all would be a cloud."""
        return drawn(lines, times, outputs, DRAWN) if self.many_to_one else super().example(lines, times, outputs)
