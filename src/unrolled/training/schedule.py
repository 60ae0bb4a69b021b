"""The runs that are to be trained: in which order, and how long all of them will still take."""

import heapq
from collections.abc import Mapping

from unrolled.data.task import Data
from unrolled.training.optimiser import GradientDescent
from unrolled.training.runs import Run

Key = tuple[str, str]
"""Study and method."""
FIT, UPDATE, UNIT, STEP, WEIGHT = 0.25, 1e-4, 3.5e-9, 2.7e-5, 1.2e-10
"""Seconds on one core, measured over all studies, most within a factor two: of a fit; of an update; of each weight that
comes to a unit, for a sequence's step in an update; of a step in validation; of each weight, for a sequence's step in
validation and prediction."""
TEXTBOOK, CURVATURE, RESERVOIR, FORCED = 6.0, 36.0, 2.0, 8.0
"""How much longer an update takes without kernels; the gradients that a Hessian-free update costs; how much more a step
costs where states are regressed on, and an update in closed loop, forced or not."""
TRUST = 20.0
"""Seconds of finished fits that weigh as much as the estimates made before."""


def key_of(run: Run) -> Key:
    """Return study and method."""
    return run.study, run.name


def cost(run: Run, data: Data) -> float:
    """Return about how many seconds a run takes on one core.

    Per replica, with P weights: updates × T × B × P / units in training, (N T) × P in validation and prediction.
    """
    network, epochs = run.network(), run.fit.epochs
    count, length = data.train["inputs"].shape[:2]
    replicas = len(run.tuning_replicas()) + len(run.final_replicas(0))
    weight = WEIGHT * network.parameters
    tests = sum(test.inputs.shape[0] * test.inputs.shape[1] for test in data.tests.values())
    if not run.optimiser.iterative:
        return FIT + replicas * RESERVOIR * (tests + 2 * count * length) * weight
    gradient = count * length * UNIT * network.parameters / network.cell.features
    if issubclass(run.optimiser, GradientDescent):
        kernels = network.cell.compiled or not network.cell.weights()
        epoch = -(-count // run.fit.batch) * UPDATE + gradient * (1.0 if kernels else TEXTBOOK)
    else:
        epoch = CURVATURE * gradient
    if run.method.forcing is not None:
        epoch *= FORCED
    epoch += length * STEP + data.val["inputs"].shape[0] * length * weight
    return FIT + replicas * (epochs * epoch + tests * weight)


class Schedule:
    """Runs and the seconds that each will take, corrected by those that have finished.

    Parameters
    ----------
    runs : list of Run
    data : dict of Data
        By study.
    known : mapping
        Seconds and cost of fits of an earlier time, by study and method; `cost` alone is a rough estimate.
    cores : int
    """

    def __init__(
        self, runs: list[Run], data: dict[str, Data], known: Mapping[str, tuple[float, float]], cores: int
    ) -> None:
        self.cost = {key_of(run): cost(run, data[run.study]) for run in runs}
        self.cores, self.shares, self.finished = cores, dict.fromkeys(self.cost, 0.0), dict[Key, float]()
        self.seconds, self.known = dict(self.cost), set[Key]()
        for key, now in self.cost.items():
            seconds, before = known.get(" ".join(key), (0.0, 0.0))
            if seconds > 0 and before > 0:
                self.seconds[key] = seconds * now / before
                self.known.add(key)
        self.runs = sorted(runs, key=lambda run: -self.seconds[key_of(run)])

    def passed(self, run: Run, epochs: float) -> None:
        """Note how many epochs of a run have passed; those of its final replicas cost as much as there are replicas."""
        tuning, final, budget = len(run.tuning_replicas()), len(run.final_replicas(0)), run.fit.epochs
        replicas = tuning * min(epochs, budget) + final * max(epochs - budget, 0)
        self.shares[key_of(run)] = min(1.0, replicas / (budget * (tuning + final)))

    def finish(self, run: Run, seconds: float | None) -> None:
        """Note what a fit took; None if it has failed."""
        key = key_of(run)
        self.shares[key] = 1.0
        if seconds is not None:
            self.finished[key] = seconds

    def _factor(self, known: bool) -> float:
        """Return how much longer fits take than was estimated, of those that were known, or of the others."""
        mine = [key for key in self.finished if (key in self.known) == known]
        expected = TRUST + sum(self.seconds[key] for key in mine)
        return (TRUST + sum(self.finished[key] for key in mine)) / expected

    def _remaining(self) -> tuple[list[float], float]:
        """Return the seconds left of each run, and those of all from the beginning."""
        factors = {known: self._factor(known) for known in (True, False)}
        whole = {key: self.finished.get(key, self.seconds[key] * factors[key in self.known]) for key in self.cost}
        left = [whole[key] * (1 - self.shares[key]) for key in map(key_of, self.runs)]
        return left, sum(whole.values())

    @property
    def share(self) -> float:
        """The share of the work that is done."""
        left, whole = self._remaining()
        return 1 - sum(left) / whole

    @property
    def left(self) -> float:
        """Seconds until the last run ends: each goes, in order, to the core that is free first."""
        cores = [0.0] * self.cores
        for seconds in self._remaining()[0]:
            heapq.heapreplace(cores, cores[0] + seconds)
        return max(cores)
