"""The same training in JAX: `scan` over time, `vmap` over networks, all of an update under `jit`."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Weights = dict[str, Any]
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def elman(w: Weights, state: Any, x: Any) -> tuple[Any, Any]:
    """Advance h."""
    h = jnp.tanh(x @ w["U"] + state @ w["W"] + w["b"])
    return h, h


def gru(w: Weights, h: Any, x: Any) -> tuple[Any, Any]:
    """Advance h, in the form of torch."""
    xr, xz, xn = jnp.split(x @ w["U"] + w["b"], 3, axis=-1)
    hr, hz, hn = jnp.split(h @ w["W"], 3, axis=-1)
    r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + r * (hn + w["d"]))
    h = (1 - z) * n + z * h
    return h, h


def lstm(w: Weights, state: Any, x: Any) -> tuple[Any, Any]:
    """Advance (h, c)."""
    h, c = state
    i, f, g, o = jnp.split(x @ w["U"] + h @ w["W"] + w["b"], 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


CELLS: dict[str, Callable[[Weights, Any, Any], tuple[Any, Any]]] = {"elman": elman, "gru": gru, "lstm": lstm}


def predict(cell: str, w: Weights, x: Any) -> Any:
    """Return the outputs of one network, (B, T, 1), for x (B, T, 1)."""
    zero = jnp.zeros((x.shape[0], w["W"].shape[0]), x.dtype)
    _, h = jax.lax.scan(
        lambda s, x_t: CELLS[cell](w, s, x_t), (zero, zero) if cell == "lstm" else zero, x.swapaxes(0, 1)
    )
    return (h @ w["V0"] + w["c0"]).swapaxes(0, 1)


def trainer(
    cell: str, x: np.ndarray, y: np.ndarray, hidden: int, replicas: int, rate: float
) -> Callable[[int, int], float]:
    """Return what trains all networks with Adam: seconds of an update, from updates that warm up and those that count.

    It compiles at its first call.
    """
    gates = {"elman": 1, "gru": 3, "lstm": 4}[cell] * hidden
    shapes = {"U": (1, gates), "W": (hidden, gates), "b": (1, gates), "d": (1, hidden), "V0": (hidden, 1), "c0": (1, 1)}
    random = np.random.default_rng(0)
    w = {k: jnp.asarray(random.normal(size=(replicas, *s)) / hidden**0.5, jnp.float32) for k, s in shapes.items()}

    def loss(w: Weights, x: Any, y: Any) -> Any:
        return ((predict(cell, w, x) - y) ** 2).mean()

    @jax.jit
    def update(w: Weights, m: Weights, v: Weights, i: Any) -> tuple[Weights, Weights, Weights]:
        g = jax.vmap(jax.grad(loss), in_axes=(0, None, None))(w, x, y)
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
        scale = rate / (1 - BETA1**i)
        return jax.tree.map(lambda w, m, v: w - scale * m / (jnp.sqrt(v / (1 - BETA2**i)) + EPSILON), w, m, v), m, v

    def run(warm: int, updates: int) -> float:
        zero = jax.tree.map(jnp.zeros_like, w)
        trained: tuple[Weights, Weights, Weights] = (w, zero, zero)
        for number in range(1, warm + updates + 1):
            if number == warm + 1:
                jax.block_until_ready(trained)
                begun = time.perf_counter()
            trained = update(*trained, float(number))
        jax.block_until_ready(trained)
        return (time.perf_counter() - begun) / updates

    return run
