"""Many-to-many: few symbols among blanks, at any places, are given back at the end, in their order."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from unrolled.config import DataRow
from unrolled.data.symbols import Symbols
from unrolled.data.system import System
from unrolled.data.task import Array


class SelectiveCopying(Symbols):
    """K symbols scattered among the blanks of L steps, then K delimiters; the targets are L blanks and the K symbols.

    Unlike in copy memory the places differ from sequence to sequence, so no linear recurrence whose step is always the
    same can wait for the right ones. Who remembers nothing has the cross-entropy K ln A / (L + K) of an alphabet of A.

    References
    ----------
    Jing et al., Neural Comput. 31 (2019) 765, doi 10.1162/neco_a_01174 (denoise task); Gu & Dao (2023), arXiv
    2312.00752, section 4.1.1.
    """

    kind: ClassVar[str] = "many-to-many"
    source: ClassVar[str] = "Gu & Dao (2023), arXiv 2312.00752"
    shown: ClassVar[tuple[str, ...]] = ("a", "delimiter", "p(a)")

    class Settings(Symbols.Settings):
        """`steps` L among which are `symbols` K, of an `alphabet` of so many."""

        symbols: Annotated[int, Field(ge=1, le=1000)] = 4
        alphabet: Annotated[int, Field(ge=2, le=26)] = 8

    def letters(self) -> tuple[list[str], list[str]]:
        """Return the alphabet, blank and, among the inputs, the delimiter."""
        classes = [*map(chr, range(ord("a"), ord("a") + self.settings.alphabet)), "blank"]
        return [*classes, "delimiter"], classes

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse also more symbols than places."""
        few = self.settings.symbols > self.settings.steps
        return "needs at least as many 'steps' as 'symbols'" if few else super().refuses(row, system)

    def length(self, steps: int) -> int:
        """Return L + K."""
        return steps + self.settings.symbols

    def draw(self, random: np.random.Generator, count: int, steps: int, test: bool) -> tuple[Array, Array]:
        """Draw the symbols and their places, without order but that of time."""
        own, (names, classes) = self.settings, self.letters()
        symbols = random.integers(0, own.alphabet, (count, own.symbols))
        places = np.sort(random.permuted(np.tile(np.arange(steps), (count, 1)), axis=1)[:, : own.symbols], axis=1)
        inputs = np.full((count, self.length(steps)), names.index("blank"))
        targets = np.full_like(inputs, classes.index("blank"))
        np.put_along_axis(inputs, places, symbols, axis=1)
        inputs[:, steps:], targets[:, steps:] = names.index("delimiter"), symbols
        return inputs, targets

    def chance(self) -> float:
        """Return K ln A / (L + K)."""
        own = self.settings
        return float(own.symbols * np.log(own.alphabet) / self.length(own.steps))
