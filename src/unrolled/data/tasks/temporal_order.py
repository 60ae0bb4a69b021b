"""Many-to-one over a long lag: in which order two or three symbols came, among distractors."""

from itertools import product
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from unrolled.config import DataRow
from unrolled.data import lengths
from unrolled.data.symbols import Symbols
from unrolled.data.system import System
from unrolled.data.task import Array

SYMBOLS, DISTRACTORS = ["X", "Y"], ["a", "b", "c", "d"]
PLACES = {2: (0.1, 0.5), 3: (0.1, 0.3, 0.6)}
"""From which share of the sequence on, a tenth of it long, each of so many symbols stands."""
SHORTEST = 10
"""Steps of a sequence whose tenth is one."""


class TemporalOrder(Symbols):
    """X or Y at two (three) places, a random distractor everywhere else; the class is which came where.

    With T steps the places are random in [T/10, 2T/10) and [5T/10, 6T/10), of three symbols in [T/10, 2T/10),
    [3T/10, 4T/10) and [6T/10, 7T/10). Who remembers nothing has the cross-entropy ln 4 (ln 8). With `shortest`,
    training and validation sequences are of any length from it to `steps`, uniformly: the steps before are
    distractors, so that all arrays are of one length.

    References
    ----------
    Hochreiter & Schmidhuber, Neural Comput. 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735, experiment 6; Pascanu,
    Mikolov & Bengio, ICML 2013, PMLR 28(3):1310, whose alphabet of six and places these are.
    """

    kind: ClassVar[str] = "many-to-one"
    many_to_one: ClassVar[bool] = True
    source: ClassVar[str] = "Hochreiter & Schmidhuber, Neural Comput. 9 (1997) 1735, doi 10.1162/neco.1997.9.8.1735"
    shown: ClassVar[tuple[str, ...]] = ("X", "Y")

    class Settings(Symbols.Settings):
        """`steps` T, how many `symbols` count, and the `shortest` training sequence."""

        symbols: Annotated[int, Field(ge=2, le=3)] = 2
        shortest: Annotated[int, Field(ge=SHORTEST)] | None = None

    def letters(self) -> tuple[list[str], list[str]]:
        """Return the symbols and the distractors; every order."""
        return SYMBOLS + DISTRACTORS, ["".join(order) for order in product(SYMBOLS, repeat=self.settings.symbols)]

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse also sequences too short for a tenth, and a shortest one that is not."""
        own = self.settings
        if own.steps < SHORTEST:
            return f"needs at least {SHORTEST} 'steps'"
        return lengths.refused(own.steps, [], own.shortest) or super().refuses(row, system)

    def draw(self, random: np.random.Generator, count: int, steps: int, test: bool) -> tuple[Array, Array]:
        """Draw distractors, then the symbols at their places in the last steps of each sequence."""
        own, rows = self.settings, np.arange(count)
        length = lengths.mixed(random, count, steps, None if test else own.shortest)
        inputs = random.integers(len(SYMBOLS), len(SYMBOLS) + len(DISTRACTORS), (count, steps))
        targets = np.zeros(count, np.int64)
        for share in PLACES[own.symbols]:
            places = steps - length + (share * length).astype(int) + random.integers(0, length // 10, count)
            inputs[rows, places] = symbols = random.integers(0, len(SYMBOLS), count)
            targets = len(SYMBOLS) * targets + symbols
        return inputs, targets

    def chance(self) -> float:
        """Return the logarithm of how many classes there are."""
        return float(np.log(len(self.letters()[1])))
