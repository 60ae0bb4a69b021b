"""Numbers and lists as a person reads them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Return three digits, with a power of ten only where the number reads better so."""
    if value is None:
        return "none"
    if not math.isfinite(value):
        return "infinite"
    if 999.5 <= abs(value) < 1e4:
        return f"{value:.0f}"
    if value == 0 or 1e-3 <= abs(value) < 999.5:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def result(measured: Mapping[str, Any]) -> str:
    """Return a score with its interval, named for what it is; a method without randomness has none.

    Parameters
    ----------
    measured : mapping
        `score`, and `interval` with `low`, `high` and `kind`.
    """
    interval = measured["interval"]
    if interval["low"] is None:
        return number(measured["score"])
    return f"{number(measured['score'])} ({interval['kind']}: {number(interval['low'])} to {number(interval['high'])})"


def listed(names: Iterable[str], nothing: str = "none", last: str = " and ") -> str:
    """Return names with commas, the last with "and"; where a name has a comma of its own, with semicolons."""
    *first, end = [*names] or [nothing]
    if first and any("," in name for name in (*first, end)):
        return "; ".join([*first, end])
    return f"{', '.join(first)}{last}{end}" if first else end
