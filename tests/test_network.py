"""The readout's product, against the plain one and finite differences."""

import pytest
import torch

from unrolled.models.network import Affine


def operands() -> list[torch.Tensor]:
    """Return h, V and c in float64."""
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 5, 3), (2, 3, 4), (2, 1, 4))
    return [torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_affine_is_the_plain_product() -> None:
    h, v, c = operands()
    torch.testing.assert_close(Affine.apply(h, v, c), h @ v + c, rtol=1e-14, atol=1e-14)


def test_affine_has_the_right_derivatives_to_second_order() -> None:
    assert torch.autograd.gradcheck(Affine.apply, operands(), rtol=1e-6)
    assert torch.autograd.gradgradcheck(Affine.apply, operands(), rtol=1e-6)


def test_a_wrong_derivative_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Affine.backward

    def wrong(ctx, g):  # type: ignore[no-untyped-def]
        dh, dv, dc = right(ctx, g)
        return dh, 1.001 * dv, dc

    monkeypatch.setattr(Affine, "backward", staticmethod(wrong))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(Affine.apply, operands(), rtol=1e-6)
