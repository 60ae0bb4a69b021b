"""The benchmark: the sides do the same work, and each part runs and yields its rows."""

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import __main__ as benchmark
from benchmarks import _lightning, generation, growth, methods, training, updates
from benchmarks.__main__ import BEGIN, END, FRONT, PARTS, README, SHORT, into_readme, main, merged, not_compiled, table
from benchmarks._measure import Row, alternating, row
from conftest import make_cell
from unrolled.data import forcing
from unrolled.data.system import make
from unrolled.models.network import Network


def test_the_readme_gets_the_table_between_its_marks() -> None:
    before, after = f"# Title\n\n{BEGIN}an old table\n{END}", "\nand more\n"
    rows = [row("a", "x", 1.0, 2.0, least=0.25)]
    readme = into_readme(before + after, rows)
    assert readme == f"# Title\n\n{BEGIN}{table(rows)}{END}{after}" and "| a | x | 1 | 2 | 2 | 25 % |" in readme
    assert into_readme(readme, rows) == readme, "again it is the same"
    for path in (README, FRONT):  # which have the marks
        into_readme(path.read_text(encoding="utf-8"), rows)


def test_a_part_replaces_its_own_rows_only() -> None:
    old = [row("a", "x", 1.0, 2.0), row("b", "x", 1.0, 3.0)]
    new = [row("b", "x", 1.0, 4.0), row("c", "x", 1.0, 5.0)]
    assert [(each["name"], each["ratio"]) for each in merged(old, new)] == [("a", 2.0), ("b", 4.0), ("c", 5.0)]
    assert "| a | x | 1 | 2 | 2 |  |" in table(old)


def test_one_part_is_written_beside_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results, readme = tmp_path / "results.json", tmp_path / "README.md"
    results.write_text(json.dumps([row("a", "x", 1.0, 2.0)]))
    front, short = tmp_path / "front.md", f"{SHORT[0]} and more"
    for path in (readme, front):
        path.write_text(f"# Title\n{BEGIN}{END}")
    for name, path in (("RESULTS", results), ("README", readme), ("FRONT", front)):
        monkeypatch.setattr(benchmark, name, path)
    monkeypatch.setattr(generation, "rows", lambda: iter([row(short, "x", 1.0, 3.0)]))
    main("generation")
    found = json.loads(results.read_text())
    assert [each["name"] for each in found] == ["a", short]
    assert readme.read_text() == f"# Title\n{BEGIN}{table(found)}{END}"
    assert front.read_text() == f"# Title\n{BEGIN}{table(found[1:])}{END}"


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(SystemExit, match=f"'speed' is not known: choose from {', '.join(PARTS)}"):
        main("speed")


def test_cells_without_a_compiled_form_are_named() -> None:
    assert "window" in not_compiled() and "lstm" not in not_compiled()


def test_sides_take_turns() -> None:
    order: list[str] = []
    assert alternating(3, lambda: order.append("a") or 1.0, lambda: order.append("b") or 2.0) == [1.0, 2.0]
    assert order == ["a", "b"] * 3


@pytest.mark.parametrize("cell", training.PEERS)
def test_the_arithmetic_is_what_pytorch_counts(cell: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    steps, batch, hidden = 7, 4, 8
    network = Network(make_cell(cell, 1, hidden=hidden), 1)
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
    ours = training.make(cell, 8, 1).network.parameters
    extra = {"elman": 8, "gru": 16, "lstm": 32}[cell]  # torch's second bias, where it adds nothing
    assert sum(part.numel() for part in _lightning.Single(cell, 8).parameters()) == ours + extra


def test_an_update_has_a_row_beside_each_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(ours: float) -> list[tuple[str, str, float]]:
        monkeypatch.setattr(updates, "sides", lambda *size: [lambda: ours, lambda: 12.0, lambda: 6.0])
        monkeypatch.setattr(updates, "kernels", lambda *size: lambda: 1.5)
        rows = updates.rows(("gru",), rounds=1, sizes=((50, 10, 33),))
        return [(each["name"], each["peer"], each["ratio"]) for each in rows]

    name, peers = "update gru T50 B10 H33", ("kernels alone", "torch.nn.GRU + Lightning", "JAX scan + vmap under jit")
    assert found(2.0) == [(name, peer, ratio) for peer, ratio in zip(peers, (0.75, 6.0, 3.0), strict=True)]
    assert [ratio for *_, ratio in found(12.0)] == [0.125, 1.0, 0.5], "a slower update has smaller ratios"


@pytest.mark.parametrize("cell", training.PEERS)
def test_the_kernels_alone_do_the_work_of_the_update(cell: str) -> None:
    update, index = training.prepared(cell, 6, 3, 5)
    run = updates.kernels_of(update, index)
    gradients = update.segments[0].arrangement.gradients
    right = [each.copy() for each in gradients]
    assert all(each.any() for each in right)

    def again() -> bool:
        for each in gradients:
            each.fill(np.nan)
        run()
        return all(np.array_equal(a, b) for a, b in zip(gradients, right, strict=True))

    assert again() and again()
    update.theta *= 1.01
    update.segments[0].arrangement.fill(update.theta)
    assert not again(), "other weights have other gradients"


def test_only_updates_after_the_warm_up_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, trained = [0.0], []

    def spend(network: Any, batch: Any, index: int) -> None:
        now[0] += 100.0 if index < _lightning.WARM else 1.0
        trained.append(batch)

    monkeypatch.setattr(_lightning, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_lightning.Single, "training_step", spend)
    monkeypatch.setattr(training, "REPLICAS", 3)
    monkeypatch.setattr(training, "STEPS", 28)
    assert training.one_at_a_time("elman", 7, 2, 3) == 3.0, "of three networks, one update of each"
    assert len(trained) == 3 * (_lightning.WARM + 4)
    monkeypatch.setattr(_lightning, "WARM", 1)  # of the clock alone: one that should not count does
    assert training.one_at_a_time("elman", 7, 2, 3) > 3.0


def test_ours_trains_an_epoch_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(training, "prepared", lambda *size, by=training.prepared: made.append(by(*size)) or made[-1])
    for steps in (28, 140):
        monkeypatch.setattr(training, "STEPS", steps)
        assert training.ours("elman", 7, 2, 3) > 0
    assert [update.population.updates for update, _ in made] == [_lightning.WARM + 16, _lightning.WARM + 20]


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


if find_spec("jax"):  # it comes with the extra `bench`

    def test_jax_computes_the_same_outputs() -> None:
        import jax

        from benchmarks import _jax

        for cell in training.PEERS:
            network = Network(make_cell(cell, 1, hidden=5), 1)
            theta = torch.randn(1, network.parameters, generator=torch.Generator().manual_seed(0))
            x, _ = training.data(20, 3)
            w = network.unpack(theta)
            ours = network(w, x[None])[0]
            theirs = _jax.predict(
                cell, {name: jax.numpy.asarray(part[0].numpy()) for name, part in w.items()}, x.numpy()
            )
            np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-5)


def test_the_echo_state_forecast_is_that_of_reservoirpy() -> None:
    network, arrays = methods.reservoir()
    ours, theirs = methods.ours(network, arrays), methods.with_reservoirpy(arrays)
    assert abs(ours[:50] - theirs[:50]).max() < 1e-2  # float32 against float64; errors grow along the forecast
    assert abs(ours[1:51] - theirs[:50]).max() > 5e-2


Sizes = dict[str, Any]
TINY: dict[str, tuple[Any, Sizes, Callable[[], Iterator[Row]], int]] = {
    "training": (
        training,
        {"SIZES": [(20, 2, 3)], "STEPS": 20, "REPLICAS": 2, "with_jax": lambda *size: lambda: 1.0},
        lambda: training.rows(("elman",), rounds=1),
        2,
    ),
    "updates": (
        training,
        {"STEPS": 20, "REPLICAS": 2, "with_jax": lambda *size: lambda: 1.0},
        lambda: updates.rows(("gru",), rounds=1, sizes=((20, 2, 3), (5, 1, 4))),
        6,
    ),
    "methods": (
        methods,
        {"STEPS": 20, "BATCH": 2, "HIDDEN": 3, "UPDATES": 1, "UNITS": 30, "LENGTH": 300, "VALIDATION": 150},
        lambda: methods.rows(rounds=1),
        6,
    ),
    "generation": (generation, {}, lambda: generation.rows(count=2, rounds=1), len(generation.TIMES)),
    "growth": (
        growth,
        {"LENGTHS": [12], "REPLICAS": [1], "CELLS": ("elman",), "USUAL": 10, "in_own_process": growth.measure},
        growth.rows,
        1,
    ),
}
"""Of each part: its module, what differs in it, its rows, and how many."""


@pytest.mark.parametrize("part", TINY)
def test_a_part_yields_its_rows(part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At tiny sizes and once; what they measure is nothing here."""
    module, sizes, rows, count = TINY[part]
    monkeypatch.setattr(growth, "HERE", tmp_path)
    monkeypatch.setattr(growth.contract, "LIMIT", growth.contract.LIMIT)  # a measurement sets it
    for name, value in sizes.items():
        monkeypatch.setattr(module, name, value)
    found = list(rows())
    assert len(found) == count
    assert all(each["ours_s"] > 0 and each["ratio"] == each["peer_s"] / each["ours_s"] for each in found)


def test_the_figure_of_growth_is_drawn(tmp_path: Path) -> None:
    points = [
        {"cell": cell, "T": steps, "S": 1, "seconds": 1e-3 * steps, "GiB": 0.01}
        for cell in growth.CELLS
        for steps in (growth.USUAL, *growth.LENGTHS)
    ]
    growth.draw(points, tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text()
    assert drawn.count("<svg") == 1 and all(label in drawn for label, *_ in growth.LABELS.values())
