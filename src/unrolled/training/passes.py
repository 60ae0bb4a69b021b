"""Compiled parts of an update beside the recurrence: batches, readout layers, losses and clipping.

Every kernel works on one replica s after the other, so that a replica is trained the same in any
company. Between layers, what belongs to the rows m = (t, b) is stored by unit, (S, n, M): with few
outputs BLAS is fast at Vᵀ zᵀ and slow at z V.
"""

import numpy as np

from unrolled.models.kernels import Array, compiled

FEW = 4
"""Up to so many outputs an outer product is faster as loops than as a matrix product."""


@compiled
def gather(inputs: Array, index: Array, x: Array) -> None:
    """Write x_t of each replica's own batch in time order: (S, T, B, E) from inputs (N, T, E) and an index (S, B)."""
    for s in range(len(x)):
        for t in range(x.shape[1]):
            for b in range(x.shape[2]):
                row, given = x[s, t, b], inputs[index[s, b], t]
                for j in range(len(row)):
                    row[j] = given[j]


@compiled
def copy_runs(source: Array, target: Array, runs: Array) -> None:
    """Copy runs of columns, rows (from, to, length) of `runs`, from (S, n) to (S, m)."""
    for s in range(len(source)):
        for r in range(len(runs)):
            given = source[s, runs[r, 0] : runs[r, 0] + runs[r, 2]]
            row = target[s, runs[r, 1] : runs[r, 1] + runs[r, 2]]
            for j in range(len(row)):
                row[j] = given[j]


@compiled
def turn(theta: Array, start: int, vt: Array, rows: int) -> None:
    """Write Vᵀ (n, C) from the V (rows, n) that begins at `start` in a row of θ; the other columns stay zero."""
    n = len(vt)
    for k in range(n):
        for j in range(rows):
            vt[k, j] = theta[start + j * n + k]


@compiled
def turn_back(dvt: Array, gradient: Array, start: int, rows: int) -> None:
    """Write ∂L/∂V where V is in θ, from ∂L/∂Vᵀ (n, C)."""
    n = len(dvt)
    for k in range(n):
        for j in range(rows):
            gradient[start + j * n + k] = dvt[k, j]


@compiled
def add_bias(out: Array, bias: Array, relu: bool) -> None:
    """Add c to the rows of (n, M), and apply ReLU if there is one; NaN stays."""
    zero = out.dtype.type(0)
    for k in range(len(out)):
        row = out[k]
        for m in range(len(row)):
            row[m] += bias[k]
        if relu:
            for m in range(len(row)):
                row[m] = zero if row[m] < 0 else row[m]


@compiled
def sum_bias(d: Array, gradient: Array) -> None:
    """Write ∂L/∂c, the sums of the rows of (n, M)."""
    for k in range(len(d)):
        total = np.float64(0)
        for m in range(d.shape[1]):
            total += d[k, m]
        gradient[k] = total


@compiled
def first_layer(
    z: Array, first: int, theta: Array, start: int, features: int, vt: Array, out: Array, relu: bool
) -> None:
    """Write out = Vᵀ hᵀ + c, (S, n, M), for h in the first columns of the rows z (S, T + 1, B, C) from `first` on.

    V (H, n) and c begin at `start` in θ; vt (S, n, C) is filled in its first H columns.
    """
    n, columns = vt.shape[1:]
    for s in range(len(z)):
        turn(theta[s], start, vt[s], features)
        np.dot(vt[s], z[s, first:].reshape(out.shape[2], columns).T, out[s])
        add_bias(out[s], theta[s, start + features * n :], relu)


@compiled
def first_layer_backward(
    z: Array, first: int, d: Array, vt: Array, features: int, g: Array, offset: int, gradient: Array, start: int
) -> None:
    """Backward of `first_layer` from d = ∂L/∂out: write ∂L/∂V, ∂L/∂c, and ∂L/∂h_t into g from `offset`.

    g is (S, T, B, H), or empty where nothing lies before.
    """
    (n, columns), many = vt.shape[1:], d.shape[2]
    dvt, v = np.empty((n, columns), d.dtype), np.empty((n, features), d.dtype)
    for s in range(len(z)):
        np.dot(d[s], z[s, first:].reshape(many, columns), dvt)
        turn_back(dvt, gradient[s], start, features)
        sum_bias(d[s], gradient[s, start + features * n :])
        if len(g):
            back = g[s, offset:].reshape(many, features)
            for k in range(n):
                v[k, :] = vt[s, k, :features]
            if n > FEW:
                np.dot(d[s].T, v, back)
            else:
                outer(back, d[s], v)


@compiled
def outer(out: Array, d: Array, v: Array) -> None:
    """Write dᵀ v (M, H) for d (n, M) and v (n, H) with small n."""
    for m in range(len(out)):
        row, v_0, size = out[m], v[0], d[0, m]
        for j in range(len(row)):
            row[j] = size * v_0[j]
        for k in range(1, len(v)):
            v_k, size = v[k], d[k, m]
            for j in range(len(row)):
                row[j] += size * v_k[j]


@compiled
def layer(a: Array, theta: Array, start: int, vt: Array, out: Array, relu: bool) -> None:
    """Write out = Vᵀ a + c, (S, n, M), for a (S, r, M); V (r, n) and c begin at `start` in θ."""
    n, rows = vt.shape[1:]
    for s in range(len(a)):
        turn(theta[s], start, vt[s], rows)
        np.dot(vt[s], a[s], out[s])
        add_bias(out[s], theta[s, start + rows * n :], relu)


@compiled
def layer_backward(a: Array, d: Array, vt: Array, da: Array, gradient: Array, start: int) -> None:
    """Backward of `layer` after a ReLU: write ∂L/∂V, ∂L/∂c, and da = ∂L/∂(what the ReLU was applied to)."""
    n, rows = vt.shape[1:]
    dvt, zero = np.empty((n, rows), d.dtype), d.dtype.type(0)
    for s in range(len(a)):
        np.dot(d[s], a[s].T, dvt)
        turn_back(dvt, gradient[s], start, rows)
        sum_bias(d[s], gradient[s, start + rows * n :])
        np.dot(vt[s].T, d[s], da[s])
        for i in range(rows):
            row, active = da[s, i], a[s, i]
            for m in range(len(row)):
                row[m] = zero if active[m] <= 0 else row[m]


@compiled
def mean_square(
    out: Array,
    targets: Array,
    index: Array,
    x: Array,
    first: int,
    column: int,
    scale: float,
    among: int,
    loss: Array,
    d: Array,
) -> None:
    """Add to the mean square error (S,) over `among` steps those of (S, K, M) outputs; write d = ∂L/∂out.

    The targets are (N, L, K). With `column` >= 0 the output is x_t from that column on, plus scale × out;
    the first output belongs to the step `first`.
    """
    length, outputs = targets.shape[1:]
    batch = index.shape[1]
    factor = d.dtype.type(2 / (among * batch * outputs))
    for s in range(len(out)):
        total = np.float64(0)
        for k in range(outputs):
            for t in range(length):
                for b in range(batch):
                    m = t * batch + b
                    y = out[s, k, m] * scale
                    if column >= 0:
                        y += x[s, first + t, b, column + k]
                    error = y - targets[index[s, b], t, k]
                    total += np.float64(error) * np.float64(error)
                    d[s, k, m] = factor * scale * error
        loss[s] += total / (among * batch * outputs)


@compiled
def cross_entropy(out: Array, targets: Array, index: Array, among: int, loss: Array, d: Array) -> None:
    """Add to the mean cross-entropy (S,) over `among` steps that of (S, K, M) outputs; write d = ∂L/∂out.

    The targets are (N, L, K), and sum to one over K: ∂L/∂out = (softmax(out) - target) / (steps × sequences).
    """
    length, outputs = targets.shape[1:]
    batch, many = index.shape[1], out.shape[2]
    factor = d.dtype.type(1 / (among * batch))
    largest, total = np.empty(many, d.dtype), np.empty(many, d.dtype)
    for s in range(len(out)):
        largest[:] = out[s, 0]
        for k in range(1, outputs):
            for m in range(many):
                y = out[s, k, m]
                largest[m] = y if y > largest[m] else largest[m]
        total[:] = 0
        for k in range(outputs):
            for m in range(many):
                d[s, k, m] = np.exp(out[s, k, m] - largest[m])
                total[m] += d[s, k, m]
        summed = np.float64(0)
        for t in range(length):
            for b in range(batch):
                m, wanted = t * batch + b, targets[index[s, b], t]
                logarithm = np.float64(largest[m]) + np.log(np.float64(total[m]))
                for k in range(outputs):
                    summed += np.float64(wanted[k]) * (logarithm - np.float64(out[s, k, m]))
                    d[s, k, m] = factor * (d[s, k, m] / total[m] - wanted[k])
        loss[s] += summed / (among * batch)


@compiled
def clip(gradient: Array, loss: Array, norms: Array, values: Array, finite: Array) -> None:
    """Clip each replica's gradient (S, P) by its norm and its values; say where loss and norm are finite."""
    for s in range(len(gradient)):
        row = gradient[s]
        norm = np.sqrt(np.dot(row, row))
        finite[s] = np.isfinite(loss[s]) and np.isfinite(norm)
        if np.isfinite(norms[s]):
            scale = min(row.dtype.type(1), norms[s] / (norm + row.dtype.type(1e-12)))
            for j in range(len(row)):
                row[j] *= scale
        if np.isfinite(values[s]):
            most = values[s]
            for j in range(len(row)):
                row[j] = max(min(row[j], most), -most)
