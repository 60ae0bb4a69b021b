"""The readout's product, against the plain one and finite differences; a network's weights and outputs."""

import pytest
import torch
from torch import nn

from conftest import make_cell
from unrolled.models.network import Network, affine


def operands() -> list[torch.Tensor]:
    """Return h, V and c in float64."""
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 5, 3), (2, 3, 4), (2, 1, 4))
    return [torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_affine_is_the_plain_product() -> None:
    h, v, c = operands()
    torch.testing.assert_close(affine(h, v, c), h @ v + c, rtol=1e-14, atol=1e-14)


def test_affine_has_the_right_derivatives_to_second_order() -> None:
    assert torch.autograd.gradcheck(affine, operands(), rtol=1e-6)
    assert torch.autograd.gradgradcheck(affine, operands(), rtol=1e-6)


def test_weights_are_in_the_order_of_theta() -> None:
    network = Network(make_cell("gru", 2, hidden=5), 3, (7,))
    shapes = {
        "U": (2, 15),
        "W": (5, 15),
        "b": (1, 15),
        "d": (1, 5),
        "V0": (5, 7),
        "c0": (1, 7),
        "V1": (7, 3),
        "c1": (1, 3),
    }
    assert {name: weight.shape for name, weight in network.weights().items()} == shapes
    assert [weight.role for weight in network.weights().values()][-2:] == ["readout", "readout_bias"]
    assert network.weights()["c1"].fan_in == network.weights()["V1"].fan_in == 7
    theta = torch.arange(2 * network.parameters).reshape(2, -1)
    assert torch.equal(torch.cat([part.flatten(1) for part in network.unpack(theta).values()], dim=1), theta)


def test_a_residual_is_scaled_and_added_to_the_last_inputs_after_the_washout() -> None:
    cell = make_cell("elman", 3, hidden=4)
    plain, residual = Network(cell, 1), Network(cell, 1, washout=2, residual=0.5)
    random = torch.Generator().manual_seed(0)
    theta, x = torch.randn(2, plain.parameters, generator=random), torch.randn(2, 3, 6, 3, generator=random)
    expected = x[..., -1:] + 0.5 * plain(plain.unpack(theta), x)
    assert torch.equal(residual(residual.unpack(theta), x), expected[:, :, 2:])


def torch_readout(network: Network, weights: dict[str, torch.Tensor]) -> nn.Sequential:
    """Return the readout as torch's layers, with copied weights of the only replica."""
    layers: list[nn.Module] = []
    for number, (rows, columns) in enumerate(network.layers):
        linear = nn.Linear(rows, columns)
        linear.weight, linear.bias = nn.Parameter(weights[f"V{number}"][0].T), nn.Parameter(weights[f"c{number}"][0, 0])
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("readout", [(), (7,), (7, 4)])
def test_the_readout_equals_torch_and_packing_is_undone_by_unpacking(readout: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    network = Network(make_cell("elman", 2, hidden=5), 3, readout)
    theta = torch.randn(1, network.parameters, generator=random)
    weights = network.unpack(theta)
    assert torch.equal(network.pack({key: value[0] for key, value in weights.items()}), theta[0])
    h = torch.randn(1, 4, 6, 5, generator=random)
    torch.testing.assert_close(network.readout(weights, h), torch_readout(network, weights)(h))


def test_a_flattened_window_is_one_step_of_the_cell() -> None:
    random = torch.Generator().manual_seed(0)
    network = Network(make_cell("elman", 10, hidden=6), 1, flatten_window=True)
    weights, x = network.unpack(torch.randn(2, network.parameters, generator=random)), torch.randn(2, 4, 5, 2)
    h = torch.tanh(x.flatten(2) @ weights["U"] + weights["b"])
    torch.testing.assert_close(network(weights, x, last=True), h @ weights["V0"] + weights["c0"])


def test_weights_and_inputs_are_of_as_many_replicas() -> None:
    network = Network(make_cell("lstm", 1, hidden=3), 1)
    with pytest.raises(ValueError, match="weights of 3 replicas, but inputs of 2"):
        network(network.unpack(torch.zeros(3, network.parameters)), torch.zeros(2, 4, 5, 1))
