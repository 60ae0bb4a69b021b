"""A long run in parts: the same result, bit for bit, and what is kept is not trained again."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import MakeRun
from unrolled.training import fit as training
from unrolled.training import parts
from unrolled.training.fit import fit
from unrolled.training.parts import Parts
from unrolled.training.runs import Result

ROW: dict[str, Any] = {"cell": "gru", "hidden": 4, "learning_rates": [1e-3, 1e-2, 1e-1]}


def same(one: Result, other: Result) -> bool:
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(Result) if f.name != "predictions"]
    pairs += [(each, other.predictions[name]) for name, each in one.predictions.items()]
    return all(np.array_equal(*pair) for pair in pairs)


def test_parts_are_the_whole(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run, data = make_run(ROW, seeds=5, tuning_seeds=2)
    whole = fit(run, data)
    monkeypatch.setattr(parts, "LONGEST", parts.cost(run, data) / 5)  # nine replicas, of which one or two fit in
    sizes = [len(part) for part in parts.split(run, data, run.tuning_replicas())]
    assert len(sizes) > 2 and sum(sizes) == 6 and max(sizes) - min(sizes) <= 1
    assert same(whole, fit(run, data))


def test_an_interrupted_run_goes_on(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, data = make_run(ROW, seeds=3, tuning_seeds=1)
    whole, trained, passed = fit(run, data), list[int](), list[float]()
    monkeypatch.setattr(parts, "LONGEST", parts.cost(run, data) / 6)
    kept, train = Parts.of(run, data, tmp_path), training._train

    def counted(*arguments: Any) -> Any:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(len(arguments[3]))
        return train(*arguments)

    monkeypatch.setattr(training, "_train", counted)
    with pytest.raises(KeyboardInterrupt):
        fit(run, data, parts=kept)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:100])  # as after a crash of the machine
    monkeypatch.setattr(training, "_train", train)
    assert same(whole, fit(run, data, passed.append, parts=kept))
    assert sum(passed) == pytest.approx(run.epochs - run.fit.epochs / 3)  # one part was there


def test_a_short_run_keeps_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    run, data = make_run(ROW, seeds=3, tuning_seeds=1)
    fit(run, data, parts=Parts.of(run, data, tmp_path))
    assert list(tmp_path.iterdir()) == []
