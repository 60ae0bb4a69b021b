"""Many-to-many over a long lag: symbols seen at the beginning are given back at the end, in their order."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from unrolled.data.symbols import Symbols
from unrolled.data.task import Array


class CopyMemory(Symbols):
    """K symbols of an alphabet, T - 1 blanks, a delimiter, K blanks; the targets are T + K blanks and the K symbols.

    The copy memory of Arjovsky et al.: inputs one-hot over the alphabet, blank and delimiter, T + 2 K steps in all,
    published with K = 10 and an alphabet of 8. Who knows the step but remembers nothing is sure of every blank, and
    has the cross-entropy K ln 8 / (T + 2 K), the mean over all steps.

    References
    ----------
    Hochreiter & Schmidhuber, Neural Comput. 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735; Arjovsky, Shah & Bengio,
    ICML 2016, arXiv 1511.06464. Bai, Kolter & Koltun (2018), arXiv 1803.01271, repeat the delimiter to the end.
    """

    kind: ClassVar[str] = "many-to-many"
    source: ClassVar[str] = "Arjovsky, Shah & Bengio, ICML 2016, arXiv 1511.06464"
    shown: ClassVar[tuple[str, ...]] = ("a", "delimiter", "p(a)")

    class Settings(Symbols.Settings):
        """`steps` T from the last symbol to the delimiter, `symbols` K to be copied, of an `alphabet` of so many."""

        symbols: Annotated[int, Field(ge=1, le=1000)] = 10
        alphabet: Annotated[int, Field(ge=2, le=26)] = 8

    def letters(self) -> tuple[list[str], list[str]]:
        """Return the alphabet, blank and, among the inputs, the delimiter."""
        classes = [*map(chr, range(ord("a"), ord("a") + self.settings.alphabet)), "blank"]
        return [*classes, "delimiter"], classes

    def length(self, steps: int) -> int:
        """Return T + 2 K."""
        return steps + 2 * self.settings.symbols

    def draw(self, random: np.random.Generator, count: int, steps: int, test: bool) -> tuple[Array, Array]:
        """Draw the symbols; the delimiter is the last input before the first of them is asked for."""
        own, (names, classes) = self.settings, self.letters()
        symbols = random.integers(0, own.alphabet, (count, own.symbols))
        inputs = np.full((count, self.length(steps)), names.index("blank"))
        targets = np.full_like(inputs, classes.index("blank"))
        inputs[:, : own.symbols], targets[:, -own.symbols :] = symbols, symbols
        inputs[:, -own.symbols - 1] = names.index("delimiter")
        return inputs, targets

    def chance(self) -> float:
        """Return K ln A / (T + 2 K) of an alphabet of A."""
        own = self.settings
        return float(own.symbols * np.log(own.alphabet) / self.length(own.steps))
