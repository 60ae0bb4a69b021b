"""Training in closed loop with the truth fed in: against explicit loops, published equations and finite differences."""

from typing import Any

import numpy as np
import pytest
import torch

import small_studies
from conftest import experiment_of, make_cell
from unrolled import registry
from unrolled.analysis import attractor, lyapunov
from unrolled.analysis.scores.d_stsp import largest_divergence, state_space_divergence
from unrolled.config import ForcingRow, Method
from unrolled.data import datasets
from unrolled.data.system import make, of
from unrolled.data.task import TestSet
from unrolled.models.closed_loop import free_run
from unrolled.models.forcing import forced
from unrolled.models.network import Network
from unrolled.training import contracts
from unrolled.training.fit import fit
from unrolled.training.forcing import KEPT, ForcingSchedule, jacobian_size
from unrolled.training.runs import Run

S, B, T, K, H = 2, 3, 11, 2, 4
CELLS = ("elman", "lstm", "gru", "leaky", "lem", "cornn", "shplrnn", "alrnn")
"""With the readout folded in by the sum of inputs, by an own rule, and not at all."""


def network_of(cell: str, **forcing: Any) -> Network:
    row = ForcingRow(**forcing)
    return Network(make_cell(cell, 0 if row.rule == "state" else K, hidden=H, units=3), K, forcing=row)


def theta_of(network: Network) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return (0.6 * torch.randn(S, network.parameters, generator=random, dtype=torch.float64)).requires_grad_()


def truth() -> torch.Tensor:
    return torch.randn(S, B, T, K, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def plainly(network: Network, w: dict[str, torch.Tensor], x: torch.Tensor, alphas: list[float]) -> torch.Tensor:
    """Return the outputs with x̃_t = α_t x_t + (1 - α_t) ŷ_t, or likewise for the state, step by step."""
    state, y, outputs = network.cell.start(x if network.cell.inputs else x[..., :0]), x[:, :, 0], []
    for t, alpha in enumerate(alphas):
        if network.cell.inputs:
            state = network.cell.step(w, alpha * x[:, :, t] + (1 - alpha) * y, state)
        else:
            h = (x[:, :, t] - w["c0"]) @ torch.linalg.pinv(w["V0"])
            given = (h, *(torch.zeros_like(part) for part in state[1:]))
            mixed = tuple(alpha * a + (1 - alpha) * b for a, b in zip(given, state, strict=True))
            state = network.cell.step(w, x[:, :, t, :0], mixed)
        y = state[0] @ w["V0"] + w["c0"]
        outputs.append(y)
    return torch.stack(outputs, dim=2)


def pulled(found: torch.Tensor, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the outputs, and the gradient of a weighted sum of them."""
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(3), dtype=found.dtype)
    return found.detach(), torch.autograd.grad((found * weights).sum(), theta)[0]


@pytest.mark.parametrize("rule", ["input", "state"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("forcing", [{"interval": 3}, {"interval": 4}, {"strength": 0.3}, {"strength": 0.0}], ids=str)
def test_outputs_and_gradient_are_those_of_the_explicit_loop(cell: str, rule: str, forcing: dict[str, Any]) -> None:
    network = network_of(cell, rule=rule, **forcing)
    theta, x, interval = theta_of(network), truth(), forcing.get("interval")
    w = network.unpack(theta)
    strength = None if interval else torch.full((S,), forcing["strength"])
    alphas = [float(t % interval == 0) if interval else forcing["strength"] for t in range(T)]
    alphas[0] = 1.0
    found, expected = pulled(forced(network, w, x, strength), theta), pulled(plainly(network, w, x, alphas), theta)
    close = {"rtol": 1e-9, "atol": 1e-10} if interval else {"rtol": 1e-6, "atol": 1e-6}  # strengths are float32
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **close)
    never = pulled(plainly(network, w, x, [1.0] * T), theta)
    assert abs(found[0] - never[0]).max() > 1e-3 and abs(found[1] - never[1]).max() > 1e-3


@pytest.mark.parametrize("rule", ["input", "state"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_forced_at_every_step_it_is_teacher_forcing_bit_for_bit(cell: str, rule: str) -> None:
    x = truth()
    found = []
    for forcing, strength in (({"interval": 1}, None), ({"strength": 1.0}, torch.ones(S))):
        network = network_of(cell, rule=rule, **forcing)
        theta = theta_of(network)
        found.append(pulled(forced(network, network.unpack(theta), x, strength), theta))
    plain = network if rule == "state" else Network(make_cell(cell, K, hidden=H), K)
    theta = theta_of(plain)
    teacher = pulled(plain(plain.unpack(theta), x), theta)
    assert all(torch.equal(each[part], teacher[part]) for each in found for part in (0, 1))


def test_published_equations_in_numpy() -> None:
    """z~ = B⁺ x where t mod τ = 0, z ← F(z~) or F(z), L = mean ‖x_{t+1} - B z_{t+1}‖²; of an LSTM c ← 0 there."""
    x = truth()[0, 0].numpy()
    for cell in ("elman", "lstm"):
        network = network_of(cell, rule="state", interval=4)
        w = {name: each[0].detach().numpy() for name, each in network.unpack(theta_of(network)).items()}
        backwards = np.linalg.pinv(w["V0"].T)  # of B, as it stands in the paper: x = B z
        z, c, expected = np.zeros(H), np.zeros(H), []
        for t in range(T):
            if t % 4 == 0:
                z, c = backwards @ (x[t] - w["c0"][0]), np.zeros(H)
            a = z @ w["W"] + w["b"][0]
            if cell == "elman":
                z = np.tanh(a)
            else:
                i, f, g, o = np.split(a, 4)
                i, f, o = (1 / (1 + np.exp(-each)) for each in (i, f, o))
                c = f * c + i * np.tanh(g)
                z = o * np.tanh(c)
            expected.append(w["V0"].T @ z + w["c0"][0])
        found = forced(network, network.unpack(theta_of(network)), truth())[0, 0].detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", ["input", "state"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_gradient_through_the_closed_loop_is_that_of_finite_differences(cell: str, rule: str) -> None:
    network, x = network_of(cell, rule=rule, interval=4), truth()[:1, :1, :6]
    theta = theta_of(network)[:1].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: forced(network, network.unpack(each), x), theta, atol=1e-6)


def test_an_imposed_state_reads_out_the_observation_and_runs_free_from_it() -> None:
    network = network_of("lstm", rule="state", interval=3)
    w, x = network.unpack(theta_of(network).detach()), truth()
    h, c = network.impose(w, x[:, :, 0])
    torch.testing.assert_close(h @ w["V0"] + w["c0"], x[:, :, 0], rtol=0, atol=1e-10)
    assert not c.any()
    found = free_run(network, w, x, 5)
    expected = plainly(network, w, x[:, :, -1:].expand(-1, -1, 5, -1), [1.0, 0.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_strengths_are_fixed_annealed_or_follow_the_jacobians() -> None:
    network = network_of("elman", rule="state", strength="adaptive")
    linear = Network(make_cell("elman", 0, hidden=H, activation="identity"), K, forcing=network.forcing)
    theta = theta_of(linear).detach()
    w = linear.unpack(theta)
    size = torch.linalg.matrix_norm(w["W"], 2)  # of a linear map its Jacobian, wherever it is
    torch.testing.assert_close(jacobian_size(linear, w, truth(), torch.ones(S)), size, rtol=1e-10, atol=0)
    schedule = ForcingSchedule(linear, S, 100)
    assert (schedule.strengths() == 1).all()
    schedule.update(w, truth(), 0)
    wanted = (1 - 1 / size).clamp(min=0)
    torch.testing.assert_close(schedule.strengths().double(), KEPT + (1 - KEPT) * wanted, rtol=1e-6, atol=0)
    schedule.alpha = torch.zeros(S)
    schedule.update(w, truth(), 4)
    assert not schedule.strengths().any(), "between two estimates it stays"
    schedule.update(w, truth(), 5)
    torch.testing.assert_close(schedule.strengths().double(), wanted, rtol=1e-6, atol=0)
    annealed = ForcingSchedule(network_of("elman", rule="input", strength="annealed"), S, 100)
    for updates, left in ((0, 1.0), (25, 0.75), (99, 0.01)):
        annealed.update(w, truth(), updates)
        assert float(annealed.strengths()[0]) == pytest.approx(left)
    assert ForcingSchedule(network_of("elman", rule="input", interval=2), S, 100).strengths() is None


@pytest.mark.parametrize(
    "forcing",
    [
        {"rule": "state", "interval": 5},
        {"rule": "state", "strength": "adaptive"},
        {"rule": "input", "strength": "annealed"},
    ],
    ids=str,
)
def test_a_forced_network_is_trained_forecasts_and_has_exponents(forcing: dict[str, Any]) -> None:
    row = small_studies.study("lorenz")
    method = {"label": "?", "cell": "elman", "hidden": 6, "learning_rates": [1e-2], "forcing": forcing}
    run, data = Run(experiment_of(row, {"m": method}, epochs=6), "m"), datasets.make(row)
    result = fit(run, data)
    assert (result.train_loss[-1] < result.train_loss[0]).all()
    loop = data.tests["closed_loop"]
    assert result.predictions["closed_loop"].shape[1:] == loop.targets.shape and not result.diverged.any()
    found = attractor.exponents(run, result.theta[result.best], run.select(data), 3)
    assert found is not None and len(found) == 3


CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("recall_50", {"forcing": {"rule": "input", "interval": 5}}, "needs a task whose inputs are the outputs"),
    ("lorenz", {"forcing": {"rule": "input", "interval": 5}, "truncate": 3}, "does not go with truncate"),
    ("lorenz", {"forcing": {"rule": "state", "interval": 5}, "encoder": [4]}, "does not go with encoder"),
    ("lorenz", {"forcing": {"rule": "input", "interval": 5}, "readout": [4]}, "needs a linear readout"),
    ("lorenz", {"forcing": {"rule": "state", "interval": 500}}, "longer than the sequences"),
    ("lorenz", {"forcing": {"rule": "state", "interval": 5}, "hidden": 2}, "the state has 2 units, fewer than the 3"),
]


@pytest.mark.parametrize(("study", "row", "said"), CONTRADICTIONS, ids=str)
def test_what_cannot_be_forced_is_refused_by_name(study: str, row: dict[str, Any], said: str) -> None:
    own = small_studies.TABLE.study(study).data
    task, method = registry.load("tasks", own.task)(**own.settings), {"label": "?", "cell": "elman", "hidden": 6}
    lines = list(contracts.of_pair(Method.model_validate(method | row), task, own, of(own), "m"))
    assert any(line.startswith("m.forcing") and said in line for line in lines), lines
    fine = Method.model_validate(method | {"forcing": {"rule": "state", "interval": 5}})
    lorenz = small_studies.TABLE.study("lorenz").data
    fitting = registry.load("tasks", "forecast")(**lorenz.settings)
    assert not list(contracts.of_pair(fine, fitting, lorenz, of(lorenz), "m"))


@pytest.mark.parametrize(
    "row",
    [{"rule": "input"}, {"rule": "state", "interval": 2, "strength": 0.5}, {"rule": "input", "strength": "adaptive"}],
    ids=str,
)
def test_a_forcing_that_says_too_little_or_too_much_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needs either|is of the rule"):
        ForcingRow(**row)


def test_divergence_is_that_of_known_shares() -> None:
    """Two cells with shares ½ and ½ against ¾ and ¼: ½ log(½ / ¾) + ½ log(½ / ¼)."""
    low, high = np.array([[-1.0], [1.0]])

    def orbit(share: float) -> np.ndarray:
        count = int(400 * share)
        return np.concatenate([np.tile(low, (count, 1)), np.tile(high, (400 - count, 1))])[None]

    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert state_space_divergence(orbit(0.75), orbit(0.5)) == pytest.approx(expected, abs=1e-5)
    assert state_space_divergence(orbit(0.5), orbit(0.5)) == pytest.approx(0.0, abs=1e-9)
    assert largest_divergence(orbit(0.5)) > state_space_divergence(np.full((1, 400, 1), 1.0), orbit(0.5)) > expected
    elsewhere = np.log(0.5 * (400 + 1e-4) / 1e-5)  # of an orbit that is always in a third cell
    assert largest_divergence(orbit(0.5)) == pytest.approx(elsewhere, abs=1e-3)
    assert state_space_divergence(np.zeros((1, 400, 1)), orbit(0.5)) == pytest.approx(elsewhere, abs=1e-3)
    test = TestSet(orbit(0.5), orbit(0.5), np.arange(400.0), "closed_loop")
    score = registry.make("scores", "d_stsp")
    lost = np.stack([orbit(0.75), np.full((1, 400, 1), np.nan)])
    np.testing.assert_allclose(score(lost, test), [expected, elsewhere], atol=1e-3)


def test_exponent_of_rho_38_is_the_one_stated() -> None:
    system = make("lorenz63", {"rho": 38.0})
    start = system.start(np.random.default_rng(0), 16)
    found = lyapunov.of_system(system, start, 60.0)[:, 0]
    assert abs(found.mean() - system.exponent()) < 4 * found.std() / 4 and abs(found.mean() - 0.9056) > 0.1
    assert make("lorenz63", {"rho": 30.0}).exponent() is None and make("lorenz63", {}).exponent() == 0.9056
