"""Back-propagation through time, written out for one sequence: to be read beside the equations.

NumPy, float64, plain loops over time. What trains the networks is the same recursion, compiled, in
`unrolled.models.cells`; the tests hold both against automatic differentiation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SQUASH: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "sigmoid": (lambda a: 0.5 * (1 + np.tanh(0.5 * a)), lambda h: h * (1 - h)),
    "relu": (lambda a: np.maximum(a, 0.0), lambda h: (h > 0).astype(np.float64)),
}
"""σ_h, and its derivative as a function of h = σ_h(a)."""


@dataclass(frozen=True)
class Weights:
    """The weights of an Elman network, or the gradients with respect to them.

    Attributes
    ----------
    U : (H, D) array
    W : (H, H) array
    b : (H,) array
    V : (K, H) array
    c : (K,) array
    """

    U: Array
    W: Array
    b: Array
    V: Array
    c: Array


@dataclass(frozen=True)
class States:
    """What the forward pass leaves behind.

    Attributes
    ----------
    x : (T, D) array
    h : (T + 1, H) array
        h[t] is h^(t); h[0] is the state before the first step.
    y : (T, K) array
        y[t - 1] is y^(t), before σ_y.
    squash : str
        σ_h.
    """

    x: Array
    h: Array
    y: Array
    squash: str


def forward(w: Weights, x: Array, h0: Array, squash: str = "tanh") -> States:
    """Compute a^(t) = U x^(t) + W h^(t-1) + b, h^(t) = σ_h(a^(t)), y^(t) = V h^(t) + c for t = 1 ... T."""
    sigma, _ = SQUASH[squash]
    h = [h0]
    for x_t in x:
        h.append(sigma(w.U @ x_t + w.W @ h[-1] + w.b))
    return States(x, np.array(h), np.array([w.V @ h_t + w.c for h_t in h[1:]]), squash)


def mean_square(y: Array, target: Array) -> tuple[float, Array]:
    """Return L = Σ_t |y^(t) - target^(t)|² / 2, for a linear output, and ∂L/∂y, both (T, K)."""
    return float(np.square(y - target).sum() / 2), y - target


def cross_entropy(y: Array, target: Array) -> tuple[float, Array]:
    """Return L = -Σ_t Σ_i target_i log ŷ_i with ŷ = softmax(y), for targets that sum to one, and ∂L/∂y = ŷ - target."""
    shifted = y - y.max(axis=1, keepdims=True)
    log = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(target * log).sum()), np.exp(log) - target


def step_jacobian(w: Weights, states: States, t: int) -> Array:
    """Return ∂h^(t)/∂h^(t-1) = diag(σ_h'(a^(t))) W, (H, H), for 1 <= t <= T."""
    return SQUASH[states.squash][1](states.h[t])[:, None] * w.W


def product_jacobian(w: Weights, states: States, t: int, k: int) -> Array:
    """Return ∂h^(t)/∂h^(k) = Π_{i=k+1}^{t} ∂h^(i)/∂h^(i-1), (H, H), for 0 <= k <= t <= T.

    The later factor stands on the left; for k = t the product is empty, the identity.
    """
    product = np.eye(len(w.b))
    for i in range(k + 1, t + 1):
        product = step_jacobian(w, states, i) @ product
    return product


def backward(w: Weights, states: States, dy: Array) -> tuple[Weights, Array]:
    """Return the gradients with respect to the weights and to every hidden state.

    From the last step to the first,

        ∇_{h^(T)} L = Vᵀ ∇_{y^(T)} L,
        ∇_{h^(t)} L = (∂h^(t+1)/∂h^(t))ᵀ ∇_{h^(t+1)} L + Vᵀ ∇_{y^(t)} L,

    and with δ^(t) = σ_h'(a^(t)) ∇_{h^(t)} L, the gradient with respect to a^(t),

        ∇_c L = Σ_t ∇_{y^(t)} L,           ∇_V L = Σ_t ∇_{y^(t)} L h^(t)ᵀ,
        ∇_b L = Σ_t δ^(t),   ∇_W L = Σ_t δ^(t) h^(t-1)ᵀ,   ∇_U L = Σ_t δ^(t) x^(t)ᵀ.

    It is linear in ∇_y L: twice the error is twice every gradient.

    Parameters
    ----------
    dy : (T, K) array
        ∇_{y^(t)} L.

    Returns
    -------
    gradients : Weights
    dh : (T + 1, H) array
        dh[t] is ∇_{h^(t)} L; dh[0] with respect to the state before the first step.

    References
    ----------
    Werbos, Proc. IEEE 78 (1990) 1550, doi 10.1109/5.58337.
    """
    slope, last = SQUASH[states.squash][1], len(dy)
    dh = np.zeros_like(states.h)
    dh[last] = w.V.T @ dy[last - 1]
    for t in range(last - 1, -1, -1):
        dh[t] = step_jacobian(w, states, t + 1).T @ dh[t + 1]
        if t > 0:
            dh[t] += w.V.T @ dy[t - 1]
    delta = slope(states.h[1:]) * dh[1:]
    gradients = Weights(
        U=delta.T @ states.x, W=delta.T @ states.h[:-1], b=delta.sum(axis=0), V=dy.T @ states.h[1:], c=dy.sum(axis=0)
    )
    return gradients, dh
