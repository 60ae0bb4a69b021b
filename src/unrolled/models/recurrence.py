"""A compiled loop over time as one operation of PyTorch: memory layout and back-propagation, the same for every cell.

A cell brings two kernels. They work on one replica s after the other, and in time order, so that every
step is one BLAS product of two contiguous matrices: the rows [h_{t-1}, x_t, 1], (B, H + E) with
E = D + 1, times the weights [W; U; b], (H + E, ...). State, input and bias enter in the same product,
and so do their gradients.

    forward(x, *weights, *state, *buffers, *constants)

fills the buffers, of which the first holds h_{t-1} in its first H columns, and advances the state in
place from before the first to after the last step;

    adjoint(g, x, *weights, *buffers, *d_state, *d_weights, dx, *constants)

goes back from g = ∂L/∂h_t, with T = 0 if there is none, and from ∂L/∂(last state), in d_state, to the
weights, to the inputs (only if dx has elements) and, in place in d_state, to the first state.
"""

from typing import Any

import numpy as np

from unrolled.models.kernels import Array
from unrolled.models.pytorch import Tensor, operation, torch


def known_type(x: Tensor) -> bool:
    """Return whether the kernels can take the type of a tensor."""
    return x.dtype in (torch.float32, torch.float64)


def supported(*tensors: Tensor) -> bool:
    """Return whether the kernels can take these tensors: on the CPU, and all of one type that they know."""
    here = all(each.device.type == "cpu" for each in tensors)
    return here and known_type(tensors[0]) and len({each.dtype for each in tensors}) == 1


def in_order(x: Tensor) -> Tensor:
    """Return x_t in time order (S, T, B, D) for x (S, B, T, D); (1, T, B, D) if all replicas share x."""
    if x.stride(0) == 0 and not x.requires_grad:
        x = x[:1]
    return x.transpose(1, 2).contiguous()


def with_one(x: Tensor) -> Tensor:
    """Return [x_t, 1] in time order (S, T, B, E) for x (S, B, T, D); (1, T, B, E) if all replicas share x."""
    x = in_order(x)
    return torch.cat([x, x.new_ones(*x.shape[:3], 1)], dim=-1).contiguous()


def empty(*shape: int, like: Tensor) -> Tensor:
    """Return an array that is not filled; NumPy's, since it asks for huge pages and so faults less."""
    return torch.from_numpy(np.empty(shape, like.detach().numpy().dtype))


def run(
    forward: Any,
    adjoint: Any,
    x: Tensor,
    weights: tuple[Tensor, ...],
    state: tuple[Tensor, ...],
    buffers: tuple[Tensor, ...],
    *constants: Any,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a pair of kernels; return the outputs h_t (S, B, T, H), a view of the first buffer, and the last state.

    Parameters
    ----------
    forward, adjoint : compiled functions
    x : (S or 1, T, B, E) tensor
        In time order; one for all replicas if they share it.
    weights, state : tuples of (S, ...) tensors
    buffers : tuple of tensors
        Room for what the adjoint needs.
    constants
        Numbers or arrays, passed on as they are.
    """
    outputs, *last = operation(_loop, _loop_backward)(
        forward, adjoint, buffers, constants, len(weights), x, *weights, *state
    )
    return outputs, tuple(last)


def _loop(
    ctx: Any,
    forward: Any,
    adjoint: Any,
    buffers: tuple[Tensor, ...],
    constants: Any,
    count: int,
    x: Tensor,
    *rest: Any,
) -> tuple[Tensor, ...]:
    """Run the loop, differentiable once by x, the weights and the state."""
    weights = [each.contiguous() for each in rest[:count]]
    state = [each.clone(memory_format=torch.contiguous_format) for each in rest[count:]]
    forward(*(each.numpy() for each in (x, *weights, *state, *buffers)), *constants)
    ctx.save_for_backward(x, *weights, *buffers)
    ctx.adjoint, ctx.constants, ctx.count, ctx.shapes = adjoint, constants, count, [tuple(each.shape) for each in state]
    ctx.set_materialize_grads(False)
    return buffers[0][:, 1:, :, : state[0].shape[2]].transpose(1, 2), *state


def _loop_backward(ctx: Any, d_outputs: Tensor | None, *d_last: Tensor | None) -> tuple[Tensor | None, ...]:
    """Return the gradients by x, the weights and the state."""
    x, *rest = ctx.saved_tensors
    weights, need_x = rest[: ctx.count], ctx.needs_input_grad[5]
    d_state = [_at_end(d, shape, x) for d, shape in zip(d_last, ctx.shapes, strict=True)]
    d_weights = [torch.empty_like(each) for each in weights]
    dx = x.new_zeros((len(weights[0]), *x.shape[1:]) if need_x else (0, 0, 0, 0))
    g = _in_time_order(d_outputs, ctx.shapes[0], x)
    ctx.adjoint(g, *(each.numpy() for each in (x, *rest, *d_state, *d_weights, dx)), *ctx.constants)
    return None, None, None, None, None, dx if need_x else None, *d_weights, *d_state


def _in_time_order(gradient: Tensor | None, state: tuple[int, ...], like: Tensor) -> Array:
    """Return ∂L/∂h_t (S, B, T, H) as a contiguous (S, T, B, H); if there is none, as one with T = 0.

    The order of the loop: read as (S, B, T, H) it made the whole adjoint take twice as long.
    """
    s, b, hidden = state
    turned = empty(s, 0, b, hidden, like=like) if gradient is None else gradient.transpose(1, 2)
    result: Array = (turned if turned.is_contiguous() else empty(*turned.shape, like=like).copy_(turned)).numpy()
    return result


def _at_end(gradient: Tensor | None, state: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a copy of the gradient by a last state (S, B, H), which the adjoint takes to the first state."""
    return like.new_zeros(state) if gradient is None else gradient.clone(memory_format=torch.contiguous_format)
