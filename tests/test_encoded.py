"""ReLU layers before a cell: the same function as their equations, compiled or not, and what they are there for."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from conftest import MakeRun, make_cell
from unrolled.data.tasks.recall import CHANCE, marked
from unrolled.models.cell import Weights
from unrolled.models.encoded import Encoded
from unrolled.models.network import Network
from unrolled.training.batches import PopulationData
from unrolled.training.fit import fit
from unrolled.training.optimisers.adam import Adam
from unrolled.training.population import Population
from unrolled.training.update import CompiledUpdate, supports

S, B, T, D, H = 3, 4, 7, 2, 5
CELLS = ["elman", "lstm", "lru", "linoss", "mingru", "shplrnn"]  # with and without a column of ones, one state and two


def case(name: str, sizes: tuple[int, ...], inputs: int = D) -> tuple[Encoded, Weights, Tensor, tuple[Tensor, ...]]:
    """Return an encoded cell, its weights, inputs and a state, all with gradients."""
    random = torch.Generator().manual_seed(3)
    cell = Encoded(make_cell(name, sizes[-1], hidden=H), inputs, sizes)

    def draw(*shape: int) -> Tensor:
        return (torch.randn(*shape, generator=random, dtype=torch.float64) / 2).requires_grad_()

    w = {key: draw(S, *weight.shape) for key, weight in cell.weights().items()}
    x = draw(S, B, T, inputs)
    return cell, w, x, tuple(draw(*part.shape) for part in cell.start(x))


def pull(run: Any, w: Weights, x: Tensor, state: tuple[Tensor, ...]) -> list[Tensor]:
    outputs, last = run(w, x, state)
    total = sum((part * torch.linspace(-1, 1, part.numel()).reshape(part.shape)).sum() for part in (outputs, *last))
    return [outputs, *last, *torch.autograd.grad(total, [x, *state, *w.values()])]


def by_hand(cell: Encoded, w: Weights, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Encode by the equations, and unroll the cell."""
    for number in range(len(cell.layers)):
        x = torch.einsum("sbtd,sdn->sbtn", x, w[f"X{number}"]) + w[f"x{number}"][:, None]
        x = torch.where(x > 0, x, 0.0)
    return cell.cell.unroll(w, x, state)


@pytest.mark.parametrize("sizes", [(6,), (6, 3)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_compiled_is_textbook_is_the_equations(name: str, sizes: tuple[int, ...]) -> None:
    cell, w, x, state = case(name, sizes)
    expected = pull(lambda *given: by_hand(cell, *given), w, x, state)
    for run in (cell.run_compiled, cell.unroll, cell.run):
        for found, exact in zip(pull(run, w, x, state), expected, strict=True):
            torch.testing.assert_close(found, exact, rtol=0, atol=1e-12 * max(1.0, float(exact.detach().abs().max())))
    one = cell.step(w, x[:, :, 0], state)
    torch.testing.assert_close(one[0], expected[0][:, :, 0], rtol=0, atol=1e-12)
    assert (expected[0] - cell.cell.unroll(w, x.repeat(1, 1, 1, 3)[..., : sizes[-1]], state)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["lru", "lstm"])
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    cell, w, x, state = case(name, (3, 2))
    x, keys = x.detach()[:, :2, :3].requires_grad_(), list(w)
    state = tuple(part.detach()[:, :2].requires_grad_() for part in state)

    def flat(*parts: Tensor) -> tuple[Tensor, ...]:
        outputs, last = cell.run(dict(zip(keys, parts, strict=False)), parts[len(keys)], parts[len(keys) + 1 :])
        return outputs, *last

    assert gradcheck(flat, [*w.values(), x, *state], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("truncate", "many_to_one"), [(None, False), (None, True), (3, False)])
@pytest.mark.parametrize("name", CELLS)
def test_the_compiled_update_is_that_of_autograd(name: str, truncate: int | None, many_to_one: bool) -> None:
    network = Network(case(name, (6, 3))[0], 2, (4,), truncate=truncate)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(6, T, D)), random.normal(size=(6, 2) if many_to_one else (6, T, 2))
    theta = torch.from_numpy(random.normal(size=(S, network.parameters)) / 2)
    population = Population(network, Adam(), theta, torch.full((S,), 1e-2, dtype=torch.float64), many_to_one)
    data = PopulationData({"inputs": x, "targets": y}, {"inputs": x, "targets": y}, B, list(range(S)), 0.0)
    assert supports(population, data, torch.device("cpu")) is None
    index = np.stack([random.permutation(6)[:B] for _ in range(S)])
    update = CompiledUpdate(population, data)
    for _ in range(2):  # nothing is left over from the batch before
        update.differentiate(index)
    network.cell.compiled = network.cell.cell.compiled = False  # type: ignore[attr-defined,misc]
    loss = population.losses(data.train[torch.from_numpy(index)])
    (gradient,) = torch.autograd.grad(loss.sum(), population.theta)
    np.testing.assert_allclose(update.loss, loss.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(update.gradient, gradient.numpy(), rtol=1e-9, atol=1e-12)


def test_the_cell_takes_what_the_last_layer_gives() -> None:
    with pytest.raises(ValueError, match="the cell takes 4 inputs, the last layer gives 3"):
        Encoded(make_cell("elman", 4, hidden=2), 2, (5, 3))


def recall(encoded: bool, steps: int = 200) -> float:
    """Return the error of recall by an LRU of one unit with weights set by hand: |Λ| = 1 to 1e-13, so it sums."""
    inputs = marked(np.random.default_rng(0), 500, steps)
    answer = torch.from_numpy(inputs.prod(axis=-1).sum(axis=-1))
    w = {"U": torch.tensor([[[1.0, 0.0]]]), "nu": torch.tensor([[[-30.0]]]), "phi": torch.tensor([[[-90.0]]])}
    w |= {"gamma": torch.zeros(1, 1, 1), "X0": torch.ones(1, 2, 1), "x0": -torch.ones(1, 1, 1)}
    w = {key: value.double() for key, value in w.items()}
    own = make_cell("lru", 1, hidden=1)
    cell, x = (Encoded(own, 2, (1,)), torch.from_numpy(inputs)) if encoded else (own, torch.from_numpy(inputs[..., :1]))
    total = cell.run(w, x[None])[0][0, :, -1, 0]
    slope = ((total - total.mean()) * (answer - answer.mean())).mean() / total.var(unbiased=False)
    return float(
        (answer - answer.mean() - slope * (total - total.mean())).square().mean()
    )  # of the best linear readout


def test_one_relu_unit_and_a_sum_recall_exactly() -> None:
    assert recall(encoded=True) < 1e-20
    assert recall(encoded=False) > 0.9 * CHANCE


@pytest.mark.parametrize(("steps", "least"), [(200, 0.8), (1000, 0.95)])
def test_no_linear_recurrence_of_sixty_numbers_keeps_enough_values(steps: int, least: float) -> None:
    # Its state is P u + Q m for the values u and marks m, with a P of 60 rows that is the same for all marks. Whoever
    # knows the marks and P u best estimates the sum of two values linearly, if values are normal of the same variance:
    # what is left is their variance times |e|² - |proj e|², e = e_i + e_j, 2 (1 - 60 / T) on average.
    random = np.random.default_rng(1)
    size = np.exp(-np.exp(random.uniform(-9, -1, 30)))  # of an LRU, memories of 1 to 8000 steps
    factor = size * np.exp(1j * random.uniform(0, np.pi, 30))
    powers = factor[:, None] ** np.arange(steps)[::-1]
    basis = np.linalg.qr(np.concatenate([powers.real, powers.imag]).T)[0]  # (T, 60)
    both = marked(random, 2000, steps)[..., 1]
    left = (both**2).sum(axis=1) - ((both @ basis) ** 2).sum(axis=1)
    assert left.mean() / 2 > least * (1 - 60 / steps) and left.mean() / 2 * CHANCE > 0.02


@pytest.mark.parametrize(("encoder", "solves"), [([8], True), ([], False)])
def test_an_lru_recalls_with_a_layer_in_front_only(make_run: MakeRun, encoder: list[int], solves: bool) -> None:
    method = {"cell": "lru", "hidden": 8, "initialiser": "ring", "readout": [8], "encoder": encoder}
    data = {"system": "integrator", "task": "recall", "step": 1.0, "steps": 30, "train": 2000, "val": 100, "test": 50}
    run, given = make_run(method, seeds=1, **data, epochs=4, batch=10)
    assert run.network().parameters == sum(np.prod(each.shape) for each in run.network().weights().values())
    assert (fit(run, given).best_loss[0] < 0.01) == solves
