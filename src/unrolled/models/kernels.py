"""What the compiled loops share: compilation, activations that vectorise, and small operations on rows."""

import math
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import caching, event
from numba.extending import overload
from numpy.typing import NDArray

from unrolled import fingerprint, paths

Array = NDArray[Any]
Compiled = TypeVar("Compiled", bound=Callable[..., Any])

# Only what leaves NaN and infinity alone: a replica that diverges is known by its NaN.
FASTMATH = {"contract", "nsz", "arcp"}


class _OfAllSources:
    """What makes a kept kernel stale: a change in its file, or in any of this package that the file imports."""

    _py_file: str

    @classmethod
    def from_function(cls, function: Any, file: str) -> Any:
        """Return the place, or None where it cannot be written, or others may, who could put their code there."""
        found = super().from_function(function, file)  # type: ignore[misc]
        if found is None or Path(found.get_cache_path()).stat().st_mode & stat.S_IWOTH:
            return None
        return found

    def get_source_stamp(self) -> str:
        return fingerprint.of_content(Path(self._py_file))


class _Given(_OfAllSources, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """`NUMBA_CACHE_DIR`."""


class _BesideSource(_OfAllSources, caching.InTreeCacheLocator):  # type: ignore[misc]
    """`__pycache__`."""


class _OfUser(_OfAllSources, caching.UserWideCacheLocator):  # type: ignore[misc]
    """The user's cache, where the source cannot be written."""


class _OfProject(_BesideSource):
    """The folder that one stands in, where neither can."""

    def get_cache_path(self) -> str:
        return str(paths.KERNELS.absolute())


class _Keeper(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar[list[type]] = [_Given, _BesideSource, _OfUser, _OfProject]


class _Kept(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _Keeper


def compiled(function: Compiled) -> Compiled:
    """Compile with Numba at the first call, without threads, and keep the result on disk while its sources stay."""
    result = njit(nogil=True, fastmath=FASTMATH, error_model="numpy")(function)
    result._cache = _Kept(function)  # as `cache=True` does, which looks at the kernel's own file only
    return cast(Compiled, result)


class _Announcer(event.Listener):  # type: ignore[misc]
    """Say on stderr, once for each cell, that its kernels are compiled, not found in the cache."""

    said: ClassVar[set[str]] = set()

    def on_start(self, compiling: Any) -> None:
        folder, _, cell = compiling.data["dispatcher"].py_func.__module__.rpartition(".")
        if folder == "unrolled.models.cells" and cell not in self.said:
            print(f"compiling the {cell} cell (once) ...", file=sys.stderr, flush=True)
            self.said.add(cell)

    def on_end(self, compiling: Any) -> None:
        """Say nothing."""


event.register("numba:compile", _Announcer())


# tanh x = x P(x²) / Q(x²), the minimax approximation of Eigen (also in XLA), constant beyond the
# bound, where tanh is 1 to 3e-7, and ±1 where the nearest float32 is, so that there 1 - tanh² = 0.
# Largest error measured: 4.7 ulp. Unlike a call of tanh, it compiles to vector instructions.
BOUND = np.float32(7.90531110763549805)
SATURATED = np.float32(9.010913)  # log(2^26) / 2 = 9.01091...
ONE = np.float32(1)
P0, P1, P2, P3, P4, P5, P6 = (
    np.float32(p)
    for p in (
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    )
)
Q0, Q1, Q2, Q3 = (
    np.float32(q) for q in (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)


def tanh(a: Any) -> Any:
    """Tanh inside kernels: rational in float32, exact in float64."""
    return np.tanh(a)


def _tanh(a: Any) -> Callable[[Any], Any]:
    def exact(a: Any) -> Any:
        return math.tanh(a)

    def rational(a: Any) -> Any:
        c = BOUND if a > BOUND else a  # written so that NaN fails the comparison and stays
        c = -BOUND if c < -BOUND else c
        q = c * c
        top = c * (P0 + q * (P1 + q * (P2 + q * (P3 + q * (P4 + q * (P5 + q * P6))))))
        value = top / (Q0 + q * (Q1 + q * (Q2 + q * Q3)))
        value = ONE if a > SATURATED else value
        return -ONE if a < -SATURATED else value

    return rational if a == types.float32 else exact


overload(tanh, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})(_tanh)


@compiled
def block_length(rows: Array, columns: int) -> int:
    """Return over how many steps to gather δ before its product with the rows.

    So many that the product is efficient, so few that both are still in the processor's cache, and
    that OpenBLAS takes its kernel for small products (below 100³, measured 1.5 to 3 times as fast).
    """
    return int(max(1, min(len(rows), 1_000_000 // max(1, rows.shape[1] * rows.shape[2] * columns))))


@compiled
def add_product(total: Array, rows: Array, delta: Array, part: Array) -> None:
    """Add Σ_t rows_tᵀ δ_t to (K, n) in place, for (t, B, K) and (t, B, n)."""
    many = rows.shape[0] * rows.shape[1]
    np.dot(rows.reshape(many, rows.shape[2]).T, delta.reshape(many, delta.shape[2]), part)
    add_rows(total, part)


@compiled
def add_input_gradient(dx: Array, delta: Array, u: Array) -> None:
    """Add δ_t Uᵀ to ∂L/∂x_t in place, for (t, B, n) and (E, n)."""
    many = delta.shape[0] * delta.shape[1]
    add_rows(dx.reshape(many, dx.shape[2]), np.dot(delta.reshape(many, delta.shape[2]), u.T))


@compiled
def write_rows(z: Array, h: Array, x: Array) -> None:
    """Write the rows z_t = [h_{t-1}, x_t, 1]."""
    hidden = h.shape[1]
    for b in range(len(z)):
        row, h_b = z[b], h[b]
        for j in range(hidden):
            row[j] = h_b[j]
        for j in range(x.shape[1]):
            row[hidden + j] = x[b, j]


@compiled
def copy_rows(columns: Array, values: Array) -> None:
    """Copy (B, n) to (B, n); like `add_rows`, because an array assignment compiles for seconds."""
    for b in range(len(values)):
        row, value = columns[b], values[b]
        for j in range(len(value)):
            row[j] = value[j]


@compiled
def add_rows(total: Array, part: Array) -> None:
    """Add (B, n) to (B, n) in place; `total += part` would compile for seconds, for its error messages."""
    for b in range(len(total)):
        row, more = total[b], part[b]
        for j in range(len(row)):
            row[j] += more[j]


@compiled
def rectify(a: Array, out: Array) -> None:
    """Write relu a for the rows (B, n) into others; NaN stays."""
    for b in range(len(a)):
        row, r = a[b], out[b]
        for j in range(len(row)):
            r[j] = a.dtype.type(0) if row[j] < 0 else row[j]


@compiled
def activate_gates(a: Array, scale: Array, shift: Array) -> None:
    """Replace (B, n) by scale tanh(scale a) + shift: tanh at (1, 0), sigmoid at (½, ½).

    For sigmoid a = ½ + ½ tanh(a/2), so that one loop serves all gates.
    """
    for b in range(len(a)):
        row = a[b]
        for j in range(len(row)):
            row[j] = scale[j] * tanh(scale[j] * row[j]) + shift[j]
