"""Linear oscillatory state-space model: driven, uncoupled oscillators, whose equation is the lecture's own."""

import math
from typing import Any, ClassVar, Literal

import numpy as np

from unrolled.models import kernels
from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.kernels import Array, compiled
from unrolled.models.pytorch import Tensor, torch

IMPLICIT, EXPLICIT, DAMPED = 0, 1, 2
DISCRETISATIONS = ("implicit", "implicit_explicit", "damped")


class LinOSS(Cell):
    """Driven oscillators y'' = -A y - G y' + x U, one a unit, in steps of Δ; the output is y.

    z_t = s (z_{t-1} + Δ (x_t U - A y_{t-1})) and y_t = y_{t-1} + Δ z_t, with A = max(Â, 0) and Δ = sigmoid(δ).
    The discretisation is in s: 1 / (1 + Δ² A) for `implicit` (LinOSS-IM, which damps the more, the faster a unit
    swings), 1 for `implicit_explicit` (IMEX: no damping, each step keeps the volume), and 1 / (1 + Δ G) for `damped`
    (D-LinOSS), with G = max(Ĝ, 0) and A held in [(√(1 + Δ G) - 1)², (√(1 + Δ G) + 1)²] / Δ², where both eigenvalues
    have the radius √s.

    Weights: U (D, H); A, delta and, if damped, G (1, H). Complex B and C of the paper are two such units with the
    same A and Δ. The recurrence is linear, and the paper's nonlinear layers lie outside: what needs a product of two
    inputs needs ReLU layers before it (`encoder`), what needs one of states a ReLU readout.

    References
    ----------
    Rusch & Rus, ICLR 2025, arXiv 2410.03943; Boyer, Rusch & Rus, arXiv 2505.12171 (damped).
    """

    family: ClassVar[str] = "linear recurrence"

    class Settings(Cell.Settings):
        """H, and the discretisation."""

        discretisation: Literal["implicit", "implicit_explicit", "damped"] = "implicit"

    settings: Settings
    compiled: ClassVar[bool] = True
    with_one: ClassVar[bool] = False

    @property
    def kind(self) -> int:
        """The discretisation by its place, as the kernels know it."""
        return DISCRETISATIONS.index(self.settings.discretisation)

    def weights(self) -> dict[str, Weight]:
        """Return U, A and delta, and G if damped."""
        line = Weight((1, self.hidden), "diagonal", 1)
        own = ("A", "delta", "G") if self.kind == DAMPED else ("A", "delta")
        return {"U": Weight((self.inputs, self.hidden), "input", max(1, self.inputs))} | dict.fromkeys(own, line)

    def start(self, x: Tensor) -> State:
        """Return y and z at rest."""
        (y,) = super().start(x)
        return y, torch.zeros_like(y)

    def numbers(self, w: Weights) -> tuple[Tensor, Tensor, Tensor]:
        """Return Δ, A and s, (S, 1, H)."""
        a, dt = torch.relu(w["A"]), torch.sigmoid(w["delta"])
        if self.kind == DAMPED:
            friction = 1 + dt * torch.relu(w["G"])
            root = torch.sqrt(friction)
            a = torch.minimum(torch.maximum(a, ((root - 1) / dt) ** 2), ((root + 1) / dt) ** 2)
            return dt, a, 1 / friction
        return dt, a, 1 / (1 + dt**2 * a) if self.kind == IMPLICIT else torch.ones_like(a)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance y and z by one step."""
        (y, z), (dt, a, s) = state, self.numbers(w)
        z = s * (z + dt * (x @ w["U"] - a * y))
        return y + dt * z, z

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops."""
        return forward, adjoint

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return U, and [A; delta] or [A; delta; G] (S, 2 or 3, H)."""
        return w["U"], torch.cat([w[name] for name in ("A", "delta", "G") if name in w], dim=1)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return y and z at every step."""
        return ((s, t + 1, b, self.hidden),) * 2

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return the kind of discretisation."""
        return (self.kind,)


@compiled
def write_numbers(w: Array, kind: int, numbers: Array) -> None:
    """Write Δ, A and s (3, H), number by number, so that a replica depends on no other."""
    for j in range(w.shape[1]):
        a, dt = 0.0 if w[0, j] < 0 else w[0, j], 1 / (1 + math.exp(-w[1, j]))
        s = 1.0
        if kind == IMPLICIT:
            s = 1 / (1 + dt * dt * a)
        if kind == DAMPED:
            friction = 1 + dt * max(w[2, j], w.dtype.type(0))
            root = math.sqrt(friction)
            a = min(max(a, ((root - 1) / dt) ** 2), ((root + 1) / dt) ** 2)
            s = 1 / friction
        numbers[0, j], numbers[1, j], numbers[2, j] = dt, a, s


@compiled
def numbers_backward(w: Array, kind: int, numbers: Array, d: Array, dw: Array) -> None:
    """Backward of `write_numbers`: from ∂L/∂Δ, ∂L/∂A and ∂L/∂s in d to the weights."""
    for j in range(w.shape[1]):
        dt, a, s = numbers[0, j], numbers[1, j], numbers[2, j]
        d_dt, d_a, d_s = d[0, j], d[1, j], d[2, j]
        if kind == IMPLICIT:
            d_dt -= 2 * dt * a * s * s * d_s
            d_a -= dt * dt * s * s * d_s
        if kind == DAMPED:
            g = max(w[2, j], w.dtype.type(0))
            root, held = math.sqrt(1 + dt * g), max(w[0, j], w.dtype.type(0))
            d_dt -= g * s * s * d_s
            d_g = -dt * s * s * d_s
            low, high = (root - 1) / dt, (root + 1) / dt
            if held < low * low or held > high * high:  # A = edge², and has no gradient of its own
                edge = low if held < low * low else high
                d_dt += d_a * 2 * edge * (g / (2 * root) - edge) / dt
                d_g += d_a * edge / root
                d_a = 0.0
            dw[2, j] = d_g if w[2, j] > 0 else 0.0
        dw[0, j] = d_a if w[0, j] > 0 else 0.0
        dw[1, j] = d_dt * dt * (1 - dt)


@compiled
def scaled(u: Array, numbers: Array, out: Array) -> None:
    """Write Δ U."""
    for d in range(len(u)):
        for j in range(u.shape[1]):
            out[d, j] = numbers[0, j] * u[d, j]


@compiled
def forward(x: Array, u: Array, w: Array, y0: Array, z0: Array, y: Array, z: Array, kind: int) -> None:
    """Fill y and z with all states; w = [A; delta; G]."""
    hidden, (steps, batch, d) = w.shape[2], x.shape[1:]
    force, numbers, du = np.empty((steps, batch, hidden), w.dtype), np.empty((3, hidden)), np.empty_like(u[0])
    for s in range(len(w)):
        write_numbers(w[s], kind, numbers)
        scaled(u[s], numbers, du)
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, d), du, force.reshape(steps * batch, hidden))
        kernels.copy_rows(y[s, 0], y0[s])
        kernels.copy_rows(z[s, 0], z0[s])
        own = numbers.astype(w.dtype)
        for t in range(steps):
            oscillate(y[s, t], z[s, t], force[t], own, y[s, t + 1], z[s, t + 1])
        kernels.copy_rows(y0[s], y[s, -1])
        kernels.copy_rows(z0[s], z[s, -1])


@compiled
def oscillate(y: Array, z: Array, force: Array, numbers: Array, new_y: Array, new_z: Array) -> None:
    """Write the next y and z of the rows (B, H), for forces Δ x U."""
    dt, a, s = numbers[0], numbers[1], numbers[2]
    for b in range(len(y)):
        y_b, z_b, f, next_y, next_z = y[b], z[b], force[b], new_y[b], new_z[b]
        for j in range(len(y_b)):
            next_z[j] = s[j] * (z_b[j] + (f[j] - dt[j] * a[j] * y_b[j]))
        for j in range(len(y_b)):
            next_y[j] = y_b[j] + dt[j] * next_z[j]


@compiled
def adjoint(
    g: Array,
    x: Array,
    u: Array,
    w: Array,
    y: Array,
    z: Array,
    dy: Array,
    dz: Array,
    du: Array,
    dw: Array,
    dx: Array,
    kind: int,
) -> None:
    """Back-propagate through time: from ∂L/∂y_t (g), ∂L/∂y_T (in dy), ∂L/∂z_T (in dz) to weights, inputs, start.

    From the last step to the first: dz_t += Δ dy_t, δ_t = s dz_t = ∂L/∂(Δ x_t U), then dz_{t-1} = δ_t and
    dy_{t-1} = dy_t - Δ A δ_t; ∂L/∂(Δ U) = Σ_t x_tᵀ δ_t and ∂L/∂x_t = δ_t (Δ U)ᵀ, over all steps at once.
    """
    hidden, (steps, batch, d) = w.shape[2], x.shape[1:]
    delta, numbers = np.empty((steps, batch, hidden), w.dtype), np.empty((3, hidden))
    sums, product, force = np.empty((3, hidden), w.dtype), np.empty_like(u[0]), np.empty_like(u[0])
    for s in range(len(w)):
        write_numbers(w[s], kind, numbers)
        own = numbers.astype(w.dtype)
        sums[:] = 0
        for t in range(steps - 1, -1, -1):
            if g.shape[1]:
                kernels.add_rows(dy[s], g[s, t])
            oscillate_backward(delta[t], dy[s], dz[s], y[s, t], z[s, t + 1], own, sums)
        np.dot(x[min(s, len(x) - 1)].reshape(steps * batch, d).T, delta.reshape(steps * batch, hidden), product)
        if len(dx):
            scaled(u[s], numbers, force)
            kernels.add_input_gradient(dx[s], delta, force)
        scaled(product, numbers, du[s])
        for j in range(hidden):  # from Δ and the products Δ A, s and Δ U to Δ, A and s
            for i in range(d):
                sums[0, j] += product[i, j] * u[s, i, j]
            sums[0, j] += own[1, j] * sums[1, j]
            sums[1, j] *= own[0, j]
            sums[2, j] /= own[2, j]
        numbers_backward(w[s], kind, numbers, sums, dw[s])


@compiled
def oscillate_backward(delta: Array, dy: Array, dz: Array, y: Array, new_z: Array, numbers: Array, sums: Array) -> None:
    """Backward of `oscillate`: write δ, take dy and dz a step back, add to ∂L/∂Δ, ∂L/∂(Δ A) and s ∂L/∂s in sums."""
    dt, a, s, d_dt, d_dt_a, d_s = numbers[0], numbers[1], numbers[2], sums[0], sums[1], sums[2]
    for b in range(len(dy)):
        e, dy_b, dz_b, y_b, z_b = delta[b], dy[b], dz[b], y[b], new_z[b]
        for j in range(len(e)):
            d_dt[j] += dy_b[j] * z_b[j]
        for j in range(len(e)):
            dz_b[j] += dt[j] * dy_b[j]
        for j in range(len(e)):
            d_s[j] += dz_b[j] * z_b[j]
        for j in range(len(e)):
            e[j] = s[j] * dz_b[j]
        for j in range(len(e)):
            d_dt_a[j] -= e[j] * y_b[j]
        for j in range(len(e)):
            dy_b[j] -= dt[j] * a[j] * e[j]
        for j in range(len(e)):
            dz_b[j] = e[j]
