"""Many-to-many over a whole record: the inputs in, the outputs out; the measured outputs are seen at its start only."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from unrolled import registry
from unrolled.config import Count, DataRow, Precision
from unrolled.data.record import Series, block, counted, windows
from unrolled.data.system import System
from unrolled.data.task import Array, Data, Mode, Size, Split, Task, TestSet, drawn, number_type
from unrolled.errors import UnrolledError

DRAWN = slice(-300, None)
"""The part of a record that a figure draws: its end, long after the start."""
MADE = ("y_prev", "y_init", "y_linear")
"""Names of the columns that are made of the outputs."""
STABLE = 0.999
"""The largest radius to which the poles of an unstable linear model are drawn in."""
LinearModel = list[tuple[Array, Array, float]]


class Simulation(Task):
    """Given u_0 ... u_{T-1} and the first n outputs (the washout), give y_n ... y_{T-1}.

    What a method may get, by `inputs` in its row, is a column each: `y_prev`, y_{t-1} (a network that
    has it among its inputs gets its own output in the test); the inputs, by their names; `y_init`, y_{t-1} for the
    first n steps with a mark (zero afterwards); `y_linear`, the output of a linear model in simulation
    (see `linear_response`). By default it gets the inputs only. Training is on windows of `steps`,
    validation on one record.
    """

    kind: ClassVar[str] = "many-to-many"
    mode: ClassVar[Mode] = "simulation"
    window: ClassVar[bool] = True

    class Settings(registry.Settings):
        """`steps` of each training window; with `precision: double` values are float64, for methods that ask for it."""

        steps: Count
        precision: Precision = "single"

    def refuses(self, row: DataRow, system: System | None) -> str | None:
        """Refuse a system, a record without inputs, and windows that a state does not form in."""
        if row.record is None or not row.record.inputs:
            return "needs a record with inputs"
        if taken := [name for name in (*row.record.inputs, *row.record.outputs) if name in MADE]:
            return (
                f"makes columns called {', '.join(MADE)} of the outputs: call the file's column '{taken[0]}' otherwise"
            )
        if row.washout < 1:
            return "needs a 'washout': the first samples of a record, in which the state forms"
        for name, steps in (("steps", self.settings.steps), ("val", row.val), ("test", row.test)):
            if steps <= row.washout:
                return f"needs '{name}' of more than the washout of {row.washout}"
        return "needs window < train" if (row.window or 1) >= row.train else None

    def sizes(self, row: DataRow) -> dict[str, Size]:
        """Return windows for training, and whole records."""
        train = counted(row, 0, *self._cuts(row, "train"))
        whole = {split: Size(1, getattr(row, split), whole=True) for split in ("val", "test")}
        return {"train": Size(train, self.settings.steps)} | whole

    def _cuts(self, row: DataRow, split: str) -> tuple[int, int]:
        """Return the length of a split's windows, and their distance."""
        length = self.settings.steps if split == "train" else row.val
        return length, max(1, length // 2)

    def widths(self, row: DataRow, system: System | None) -> tuple[int, int]:
        """Return the number of all columns, and of the outputs."""
        return len(self.columns(row)), len(self.outputs(row, system))

    def columns(self, row: DataRow) -> list[str]:
        """Return the name of each column of the inputs; what is fed back comes first, the linear model last."""
        assert row.record is not None
        outputs = len(row.record.outputs)
        prev, init, linear = MADE
        return [prev] * outputs + row.record.inputs + [init] * (outputs + 1) + [linear] * outputs

    def default_inputs(self, row: DataRow) -> list[str]:
        """Return the columns that a method gets if its row does not say: the inputs."""
        assert row.record is not None
        return row.record.inputs

    def datasets(self, row: DataRow, source: System | Series) -> Data:
        """Cut half overlapping windows for training; validation data and tests are whole records."""
        assert isinstance(source, Series)
        u, y, washout = source.inputs, source.outputs, row.washout
        model = fit(u[: row.train], y[: row.train], row.window or 1)
        linear = linear_response(model, u, y, washout)
        if not (np.abs(linear) < np.finfo(np.float32).max).all():
            raise UnrolledError(
                f"the linear model with the last {row.window} outputs and inputs is unstable, its simulation infinite: "
                "choose another 'window' in params.yaml, or take longer training data"
            )
        splits = {}
        for number, part in enumerate(("train", "val")):
            at = windows(row, number, *self._cuts(row, part))
            splits[part] = self._record(u[at], y[at], linear[at], washout, row.step)
        rows, tests = block(row, 2), {}
        for name, (own_u, own_y) in (source.tests or {"test": (u[rows], y[rows])}).items():
            own_linear = linear_response(model, own_u, own_y, washout)
            own = self._record(own_u[None], own_y[None], own_linear[None], washout, row.step)
            own["inputs"][:, washout + 1 :, : y.shape[1]] = 0  # nobody may see them
            label = source.test_labels.get(name, name.replace("_", " "))
            tests[name] = TestSet.of(own, "simulation", label=label, **self.measure(row, source))
        facts = {
            "scaling": source.scaling,
            "washout": washout,
            "linear_model": [[a.tolist(), b.tolist(), c] for a, b, c in model],
        }
        first = next(iter((source.tests or {"test": (u[rows], y[rows])}).values()))
        values = np.concatenate([each[None, : 4 * washout] for each in first], axis=-1)
        values[:, washout:, u.shape[1] :] = 0
        example = source.mean + source.standard_deviation * values
        return Data(splits["train"], splits["val"], tests, facts, example)

    def channels(self, data: Data, inputs: list[str], outputs: list[str]) -> Any:
        """Return inputs and outputs of the first training window; the columns between them are made from these."""
        k = len(outputs)
        train = data.train | {"inputs": data.train["inputs"][:, :, k : k + len(inputs)]}
        return super().channels(replace(data, train=train), inputs, outputs)

    def example(self, lines: dict[str, Array], times: Array, outputs: list[str]) -> Any:
        """Return the end of the record."""
        return drawn({name: line[0] for name, line in lines.items()}, times, outputs, DRAWN)

    def encode(self, raw: Array, facts: dict[str, Any], system: System | None, steps: int) -> Array:
        """Return all columns from records (N, T, D + K) whose outputs are known in the washout."""
        mean, deviation = (np.array(facts["scaling"][key]) for key in ("mean", "standard_deviation"))
        scaled, k, washout = (raw - mean) / deviation, len(facts["outputs"]), facts["washout"]
        model = [(np.array(a), np.array(b), float(c)) for a, b, c in facts["linear_model"]]
        u, y = scaled[..., :-k], scaled[..., -k:]
        linear = np.stack([linear_response(model, *pair, washout) for pair in zip(u, y, strict=True)])
        inputs = self._record(u, y, linear, washout, 1.0)["inputs"]
        inputs[:, washout + 1 :, :k] = 0
        return inputs

    def _record(self, u: Array, y: Array, linear: Array, washout: int, step: float) -> Split:
        """Return inputs (N, T, ...) in the order of `columns`, and targets (N, T - n, K), of windows u, y, linear."""
        before = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
        mark = np.zeros((*u.shape[:2], 1))
        mark[:, 1 : washout + 1] = 1
        inputs = np.concatenate([before, u, before * mark, mark, linear], axis=-1)
        number = number_type(self.settings.precision)
        times = step * np.arange(washout, u.shape[1])
        return {"inputs": inputs.astype(number), "targets": y[:, washout:].astype(number), "times": times}


def fit(u: Array, y: Array, lags: int) -> LinearModel:
    """Return, for each output, (a, b, c) of y_t = Σ a_k y_{t-k} + Σ u_{t-k} b_k + c by least squares, with k to `lags`.

    The shapes are (L,), (L + 1, D); the lags of y begin at 1, those of u at 0. The best one step ahead may be unstable,
    and endless in simulation: then all its poles are drawn in by the same factor, and b and c fitted again.
    """
    at = np.arange(lags, len(u))[:, None]
    inputs = u[at - np.arange(lags + 1)].reshape(len(at), -1)
    models = []
    for each in y.T:
        rows = np.concatenate([each[at - np.arange(1, lags + 1)], inputs, np.ones((len(at), 1))], axis=1)
        found = np.linalg.lstsq(rows, each[lags:], rcond=None)[0]
        a, rest = found[:lags], found[lags:]
        if (radius := np.abs(np.roots([1.0, *-a])).max(initial=0.0)) >= 1:
            a = a * (STABLE / radius) ** np.arange(1, lags + 1)
            rest = np.linalg.lstsq(rows[:, lags:], each[lags:] - rows[:, :lags] @ a, rcond=None)[0]
        models.append((a, rest[:-1].reshape(lags + 1, -1), float(rest[-1])))
    return models


def linear_response(models: LinearModel, u: Array, y: Array, washout: int) -> Array:
    """Return the linear models' outputs (T, K) to u (T, D): the measured y in the washout, simulated from there."""
    from scipy.signal import lfilter, lfiltic  # here, because its import takes longer than most studies' data

    found = y.copy()
    for k, (a, b, c) in enumerate(models):
        force = c + sum(lfilter(b[:, d], [1.0], u[:, d]) for d in range(u.shape[1]))
        poles = np.concatenate([[1.0], -a])
        state = lfiltic([1.0], poles, y[:washout, k][::-1])
        found[washout:, k] = lfilter([1.0], poles, force[washout:], zi=state)[0]
    return found
