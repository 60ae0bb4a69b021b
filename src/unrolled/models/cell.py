"""The contract of a cell: one recurrent step, the same equations for a whole population."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from unrolled import registry
from unrolled.models import recurrence
from unrolled.models.pytorch import Tensor, torch

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]
Role = Literal["input", "recurrent", "inner", "bias", "gate_bias", "diagonal", "readout", "readout_bias"]
"""What a weight does: `recurrent` takes states to states, in square blocks side by side; `inner` belongs to a
layer inside the step; `gate_bias` has a block of H columns for each gate; `diagonal` acts on each unit by itself;
`readout` and `readout_bias` belong to layers outside the step, mostly after it."""

SAVED = 8
"""Numbers that the adjoint needs for each step and hidden unit: the LSTM's, more than the others'."""
LIMIT = 2**30
"""Most bytes to save for the adjoint; a longer sequence is run in segments."""
SEGMENTS = 8
"""A segment saves `LIMIT` / `SEGMENTS` bytes."""


@dataclass(frozen=True)
class Weight:
    """One weight of a network, as an initialiser sees it.

    Attributes
    ----------
    shape : (int, int)
        Rows are what enters, columns the units.
    role : Role
    fan_in : int
        How many numbers enter each of the units, through this weight and all others of the same sum.
    """

    shape: tuple[int, int]
    role: Role
    fan_in: int


def affine(inputs: int, hidden: int, columns: int, bias: Role = "bias") -> dict[str, Weight]:
    """Return U, W and b of x U + h W + b with some columns: what most cells consist of."""
    total = inputs + hidden
    return {
        "U": Weight((inputs, columns), "input", total),
        "W": Weight((hidden, columns), "recurrent", total),
        "b": Weight((1, columns), bias, total),
    }


class Cell(registry.Item, ABC):
    """One step of a recurrence, s_t = f(x_t, s_{t-1}); the output h_t is the first part of the state.

    A subclass must write `weights` and `step`, and `start` if its state is not one (S, B, H) of zeros.
    The weights are not kept here but passed in, batched over replicas: a weight declared with shape
    (D, H) arrives as (S, D, H), and `@` broadcasts over S, so the step reads like the textbook.

    All else is optional. `kernels`, with `kernel_weights`, `buffers` and `constants`, are the same recurrence
    as one compiled loop, for tensors on the CPU; `closed` and `regress` are for networks that are fed their
    own outputs (`free_run`); `torch_peer` is an oracle for the tests.

    Parameters
    ----------
    inputs : int
        D.
    settings
        H as `hidden`, and what else the cell declares in `Settings`.
    """

    class Settings(registry.Item.Settings):
        """What every cell has: H."""

        hidden: int = Field(0, ge=0)

    settings: Settings
    family: ClassVar[str] = "other"
    """The family of architectures by which methods are coloured, see `report/style.py`."""
    recurrent: ClassVar[bool] = True
    """Whether the state carries more than a fixed number of past inputs."""
    forget_gate: ClassVar[int | None] = None
    """Index of the forget (update) gate among the blocks of H columns."""
    input_gate: ClassVar[int | None] = None
    """Index of the input gate among them, if it is a gate of its own."""
    compiled: ClassVar[bool] = False
    """Whether there are `kernels`: the same recurrence as a compiled loop."""
    with_one: ClassVar[bool] = True
    """Whether the kernels take the inputs with a column of ones, so that the bias is a row of the weights."""
    additive: ClassVar[bool] = False
    """Whether x and h enter in one sum, x U + h W + b, so that a linear readout of h can be fed back through W."""

    squashes: ClassVar[bool] = False
    """Whether it is h = σ(x U + h W + b) and nothing more, with σ' by `slope`."""

    def __init__(self, inputs: int, **settings: object) -> None:
        super().__init__(**settings)
        self.inputs, self.hidden = inputs, self.settings.hidden

    @property
    def features(self) -> int:
        """How many numbers the readout gets: the size of the output h_t, or of what `expand` makes of it."""
        return self.hidden

    @property
    def expands(self) -> bool:
        """Whether `expand` does anything."""
        return False

    def expand(self, h: Tensor) -> Tensor:
        """Return what the readout gets (S, ..., F) for outputs h (S, ..., H): the same, unless a cell says more."""
        return h

    @property
    def saved(self) -> int:
        """How many numbers the adjoint needs for each step and hidden unit, at most."""
        return SAVED

    @abstractmethod
    def weights(self) -> dict[str, Weight]:
        """Return the weights of one replica, in the order of θ."""

    def start(self, x: Tensor) -> State:
        """Return the state before the first step, zero, for inputs (S, B, ..., D)."""
        return (x.new_zeros(*x.shape[:2], self.hidden),)

    @abstractmethod
    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Advance one step: inputs (S, B, D), states (S, B, H)."""

    def run(self, w: Weights, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Unroll over a sequence.

        Parameters
        ----------
        w : dict of (S, ...) tensors
        x : (S, B, T, D) tensor
        state : tuple of (S, B, H) tensors, optional
            Zero by default.

        Returns
        -------
        outputs : (S, B, T, H) tensor
        state : tuple of tensors
            After the last step, to go on from.
        """
        state = self.start(x) if state is None else state
        length = self.segment(x)
        if length < x.shape[2]:
            return in_segments(lambda part, state: self.run(w, part, state), x, state, length)
        if self.compiled and recurrence.supported(x, *state, *w.values()):
            return self.run_compiled(w, x, state)
        return self.unroll(w, x, state)

    def unroll(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Apply `step` to each x_t in turn: the textbook form, on any device."""
        if x.shape[2] == 0:
            raise ValueError(f"{type(self).__name__}: the sequence has no steps, inputs are {tuple(x.shape)}")
        outputs = []
        for x_t in x.unbind(2):
            state = self.step(w, x_t, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=2), state

    def run_compiled(self, w: Weights, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the same as `unroll` by a compiled loop, for tensors that are `recurrence.supported`."""
        x = recurrence.with_one(x) if self.with_one else recurrence.in_order(x)
        (s, b, _), t, e = state[0].shape, x.shape[1], x.shape[3]
        shapes = self.buffers(s, t, b, e, torch.is_grad_enabled())
        buffers = tuple(recurrence.empty(*shape, like=x) for shape in shapes)
        constants = self.constants(x.detach().numpy().dtype)
        return recurrence.run(*self.kernels(), x, self.kernel_weights(w), state, buffers, *constants)

    def kernels(self) -> tuple[Any, Any]:
        """Return the compiled loops, forward and adjoint, as `recurrence` describes them."""
        raise NotImplementedError(f"{type(self).__name__} is compiled but has no kernels")

    def kernel_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return the weights as the kernels take them, (S, ...), differentiable: by default one, [W; U; b]."""
        return (torch.cat([w["W"], w["U"], w["b"]], dim=1),)

    def buffers(self, s: int, t: int, b: int, e: int, keep: bool = True) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the kernels' buffers, by default of one, the rows [h_{t-1}, x_t, 1].

        The first is (S, T + 1, B, C), with h_{t-1} in its first columns and zeros, or inputs, in the others.

        Parameters
        ----------
        s, t, b, e : int
            Replicas, steps, sequences, and columns of the inputs as the kernels take them.
        keep : bool
            Whether the adjoint follows; if not, what it alone needs may be kept for one step.
        """
        return ((s, t + 1, b, self.hidden + e),)

    def constants(self, dtype: Any) -> tuple[Any, ...]:
        """Return the numbers, or arrays of the type of the weights, that the kernels take at the end."""
        return ()

    def tangent(self, w: Weights, dw: Weights, x: Tensor, h: Tensor) -> Tensor:
        """Return the derivative of the outputs along dw, (S, B, T, H): the R-operator, forward in time.

        Parameters
        ----------
        w, dw : dict of (S, ...) tensors
            Of the cell (others are ignored), and the direction.
        x : (S, B, T, D) tensor
        h : (S, B, T, H) tensor
            The outputs at w from a state of zeros; a cell may use them to save a forward pass.
        """
        if not self.weights():
            return torch.zeros_like(h)
        here, direction = ({name: every[name] for name in self.weights()} for every in (w, dw))
        derivative: Tensor = torch.func.jvp(lambda own: self.unroll(own, x, self.start(x))[0], (here,), (direction,))[1]
        return derivative

    def slope(self, h: Tensor) -> Tensor:
        """Return σ'(a) where h = σ(a), of a cell that `squashes`."""
        raise NotImplementedError(f"{type(self).__name__} is not h = σ(x U + h W + b)")

    def omega_kernel(self) -> Any:
        """Return the compiled loop of Ω (`training.vanishing`), None where there is none.

        It is called as vanishing(g, weights, h, d_last, alpha, d_weights, *constants), of a cell with one state and one
        array of weights.
        """
        return None

    def closed(self, w: Weights, v: Tensor, c: Tensor, kept: Tensor | None = None) -> Weights | None:
        """Return the weights of the same recurrence with its readout h V + c fed back, for `run_compiled`.

        The readout takes the place of the first K inputs, or, where a share of them (S, 1, 1) is `kept`, of the
        rest. None where the cell has no such weights.
        """
        return fed_back(w, v, c, kept) if self.additive else None

    def regress(self, v: Tensor, c: Tensor, first: Tensor, state: State, given: Tensor) -> Tensor | None:
        """Return y_2 ... y_n (S, B, n - 1, K) of the readout y = h V + c fed back, or None where the cell has no way.

        Parameters
        ----------
        v, c : (S, H, K), (S, 1, K) tensors
        first : (S, B, K) tensor
            y_1, with `state` after it.
        given : (S, B, n - 1, D - K) tensor
            The other inputs.
        """
        return None

    def torch_peer(self) -> "torch.nn.RNNBase | None":
        """Return PyTorch's own form of the cell (`batch_first`, float64) if there is one: an oracle for the tests."""
        return None

    def peer_weights(self, w: Weights) -> tuple[Tensor, ...]:
        """Return the parameters of `torch_peer`, in its order, for the weights w of one replica."""
        raise NotImplementedError(f"{type(self).__name__} has a torch_peer without peer_weights")

    def segment(self, x: Tensor) -> int:
        """Return how many steps of x (S, B, T, D) to take at once: all T, or fewer if they need too much memory."""
        s, b, t, _ = x.shape
        step = self.saved * s * b * self.hidden * x.element_size()
        return t if t * step <= LIMIT else max(1, LIMIT // SEGMENTS // step)


def in_segments(
    advance: Callable[[Tensor, State], tuple[Tensor, State]], x: Tensor, state: State, length: int
) -> tuple[Tensor, State]:
    """Run over x (S, B, T, D) in segments of some length, joining the outputs: checkpointing in time.

    Forward, only the states between two segments are kept. Backward, each segment runs again from
    the state before it, and is then differentiated; so memory grows with T / length + length
    instead of T, the gradient is exact, and the price is one more forward pass.

    References
    ----------
    Griewank & Walther, ACM Trans. Math. Softw. 26 (2000) 19, doi 10.1145/347837.347846;
    Gruslys et al., NeurIPS 2016, arXiv 1606.03401 (through recurrent networks).
    """
    outputs = []
    for part in x.split(length, dim=2):
        if torch.is_grad_enabled():
            y, state = torch.utils.checkpoint.checkpoint(
                advance, part, state, use_reentrant=False, preserve_rng_state=False
            )
        else:
            y, state = advance(part, state)
        outputs.append(y)
    return torch.cat(outputs, dim=2), state


def fed_back(w: Weights, v: Tensor, c: Tensor, kept: Tensor | None = None) -> Weights:
    """Return the weights of a cell that is given h_{t-1} V + c in place of its first K inputs.

    x_t U = (h_{t-1} V + c) U_K + u_t U_rest, so that W + V U_K, b + c U_K and U_rest are the weights
    of the same cell in closed loop, driven by the other inputs u_t only. Where a share α of x_t is kept,
    x_t U = (1 - α) (h_{t-1} V + c) U_K + [x_t, u_t] [α U_K; U_rest].
    """
    k = v.shape[-1]
    fed, rest = w["U"][:, :k], w["U"][:, k:]
    if kept is not None:
        fed, rest = (1 - kept) * fed, torch.cat([kept * fed, rest], dim=1)
    return w | {"U": rest, "W": w["W"] + v @ fed, "b": w["b"] + c @ fed}
