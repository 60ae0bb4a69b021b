"""The benchmark: the sides do the same work, and the table in the README is the one that was measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import generation, methods, training
from benchmarks.__main__ import PARTS, README, RESULTS, into_readme, main, merged, table, unfused
from benchmarks._measure import alternating, row
from unrolled.data import forcing
from unrolled.data.system import make
from unrolled.models.network import Network
from unrolled.registry import load

KEYS = {"name", "peer", "ours_s", "peer_s", "ratio", "limit_fraction", "threads"}
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def published() -> Rows:
    rows: Rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    return rows


def test_the_rows_hold_what_they_say(published: Rows) -> None:
    for each in published:
        assert set(each) == KEYS and each["threads"] == 1
        assert each["ratio"] == pytest.approx(each["peer_s"] / each["ours_s"]) and each["ours_s"] > 0
        assert each["limit_fraction"] is None or 0 < each["limit_fraction"] < 1


def test_every_size_is_there_against_every_peer(published: Rows) -> None:
    found = {(each["name"], each["peer"]) for each in published}
    for cell, peer in training.PEERS.items():
        for steps, batch, hidden in training.SIZES:
            for instead in (f"torch.nn.{peer} + Lightning", "JAX scan + vmap under jit"):
                assert (f"{cell} T{steps} B{batch} H{hidden}", instead) in found
    assert sum(name.startswith("data: ") for name, _ in found) == len(generation.TIMES)
    for part in ("cornn ", "lem ", "esn ", "hessian_free, ", "MLflow logging", "dvc repro, nothing to do"):
        assert any(name.startswith(part) for name, _ in found), part


def test_the_readme_shows_the_table(published: Rows) -> None:
    readme = README.read_text(encoding="utf-8")
    assert into_readme(readme, published) == readme
    slower = [each | {"ours_s": 2 * each["ours_s"]} for each in published]
    assert into_readme(readme, slower) != readme


def test_a_part_replaces_its_own_rows_alone() -> None:
    old = [row("a", "x", 1.0, 2.0), row("b", "x", 1.0, 3.0)]
    new = [row("b", "x", 1.0, 4.0), row("c", "x", 1.0, 5.0)]
    assert [(each["name"], each["ratio"]) for each in merged(old, new)] == [("a", 2.0), ("b", 4.0), ("c", 5.0)]
    assert "| a | x | 1 | 2 | 2 |  |" in table(old)


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(SystemExit, match=f"'speed' is not known: choose from {', '.join(PARTS)}"):
        main("speed")


def test_cells_without_a_fused_form_are_named() -> None:
    assert unfused() == ["window"]


def test_sides_take_turns() -> None:
    order: list[str] = []
    assert alternating(3, lambda: order.append("a") or 1.0, lambda: order.append("b") or 2.0) == [1.0, 2.0]
    assert order == ["a", "b"] * 3


@pytest.mark.parametrize("cell", training.PEERS)
def test_the_arithmetic_is_what_pytorch_counts(cell: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    steps, batch, hidden = 7, 4, 8
    network = Network(load("cells", cell)(1, hidden), 1)
    theta = torch.randn(1, network.parameters).requires_grad_()
    x = torch.randn(1, batch, steps, 1)
    with FlopCounterMode(display=False) as counter:
        w = network.unpack(theta)
        h, _ = network.cell.unroll(w, x, network.cell.start(x))
        (h.flatten(1, 2) @ w["V0"]).sum().backward()
    ours = 2 * training.arithmetic(steps, batch, hidden, training.GATES[cell])
    # PyTorch's count leaves out the column of ones, the bias's part in [h, x, 1], and δ Wᵀ at the first step
    assert 0.75 * ours < counter.get_total_flops() < ours
    assert not counter.get_total_flops() > 0.75 * ours * 1.5


@pytest.mark.parametrize("cell", training.PEERS)
def test_the_networks_of_torch_have_as_many_weights(cell: str) -> None:
    ours = training.make(cell, 8).network.parameters
    extra = {"elman": 8, "gru": 16, "lstm": 32}[cell]  # torch's second bias, where it adds nothing
    assert sum(part.numel() for part in training.Single(cell, 8).parameters()) == ours + extra


@pytest.mark.parametrize("name", generation.TIMES)
def test_the_loop_solves_the_same_equation_as_exactly(name: str) -> None:
    system, times, random = make(name, {}), generation.TIMES[name][:6], np.random.default_rng(0)
    initial = system.start(random, 3)
    force = forcing.draw(random, 3, times[:-1]) if system.forced else None
    rtol = generation.loosest(name, system, initial, times, force)
    right = generation.truth(system, initial, times, force)
    error = abs(generation.one_at_a_time(name, initial, times, force, rtol) - right).max()
    ours = abs(generation.simulate(system, initial, times, force) - right).max()
    assert error <= 2 * ours or rtol == generation.TOLERANCES[-1]
    other = abs(generation.one_at_a_time(name, 1.0001 * initial, times, force, rtol) - right).max()
    assert other > 1000 * ours


def test_jax_computes_the_same_outputs() -> None:
    jax = pytest.importorskip("jax", reason="in the extra `bench`")
    from benchmarks import _jax

    for cell in training.PEERS:
        network = Network(load("cells", cell)(1, 5), 1)
        theta = torch.randn(1, network.parameters, generator=torch.Generator().manual_seed(0))
        x, _ = training.data(20, 3)
        w = network.unpack(theta)
        ours = network(w, x[None])[0]
        theirs = _jax.predict(cell, {name: jax.numpy.asarray(part[0].numpy()) for name, part in w.items()}, x.numpy())
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-5)


def test_the_echo_state_forecast_is_that_of_reservoirpy() -> None:
    network, arrays = methods.reservoir()
    ours, theirs = methods.ours(network, arrays), methods.with_reservoirpy(arrays)
    assert abs(ours[:50] - theirs[:50]).max() < 1e-2  # float32 against float64; errors grow along the forecast
    assert abs(ours[1:51] - theirs[:50]).max() > 5e-2


def test_the_figure_shows_every_point() -> None:
    points = json.loads(Path(RESULTS.with_name("growth.json")).read_text(encoding="utf-8"))
    assert {point["cell"] for point in points} == {"elman", "gru", "lstm"}
    assert {250, 20000} <= {point["T"] for point in points} and {1, 50} <= {point["S"] for point in points}
    assert all(point["seconds"] > 0 and point["GiB"] < 2 for point in points if point["S"] == 1)
