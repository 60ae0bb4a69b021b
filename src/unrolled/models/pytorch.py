"""PyTorch at its first use, so that what only declares a network (its settings, its weights) does without.

Importing it takes seconds. Cells, networks and optimisers import `torch` and `Tensor` from here; annotations that need
more of it are in quotes, and an operation with its own backward pass is two functions, not a class.
"""

import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    import torch as torch
    from torch import Tensor as Tensor
else:
    Tensor = Any

    class _Torch:
        """Stands for the module; an attribute that was once asked for stays here."""

        def __getattr__(self, name: str) -> Any:
            vars(self)[name] = getattr(importlib.import_module("torch"), name)
            return vars(self)[name]

    torch = _Torch()


def no_grad(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate like `torch.no_grad`."""

    @functools.wraps(function)
    def without(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.no_grad():
            return function(*args, **kwargs)

    return without


@functools.cache
def operation(forward: Callable[..., Any], backward: Callable[..., Any], twice: bool = False) -> Callable[..., Any]:
    """Return `forward` as an operation of PyTorch with its own backward pass.

    Parameters
    ----------
    forward, backward : functions
        As the static methods of a `torch.autograd.Function`, whose context is their first argument.
    twice : bool
        Whether `backward` consists of operations of PyTorch, so that it can be differentiated again.
    """
    back = backward if twice else torch.autograd.function.once_differentiable(backward)
    methods = {"forward": staticmethod(forward), "backward": staticmethod(back)}
    function: Any = type(forward.__name__, (torch.autograd.Function,), methods)
    return function.apply
