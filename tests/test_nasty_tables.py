"""Tables whose rows come to nothing, with texts of any kind, from the table to the page: it is made, and says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import tiny
from conftest import Experiments, MakeRun
from test_any_rows import Page
from unrolled import config, files, fingerprint, paths
from unrolled.analysis.evaluate import evaluate as evaluated
from unrolled.analysis.evaluate import scored
from unrolled.data import store
from unrolled.report import gallery
from unrolled.stages import configure, evaluate, generate, report
from unrolled.training import results, tracking
from unrolled.training.fit import fit
from unrolled.training.runs import Run

LABEL = "5$ <b>中文</b> $x_{1}$ 🎉"
METHODS: dict[str, dict[str, Any]] = {
    "fast": {"cell": "elman", "hidden": 3, "optimiser": "sgd", "learning_rates": [1.0e8]},
    "dead": {"cell": "elman", "hidden": 3, "options": {"activation": "relu"}, "learning_rates": [0.3]},
}


class Silent:
    """Stand in for MLflow."""

    def log_scores(self, *given: Any) -> None:
        """Log nothing."""


def dead(run: Run) -> Any:
    """Return the result of a network all of whose units are off: its output is constant."""
    data = store.load(run.study)
    result = fit(run, data)
    network = run.network(run.select(data))
    weights = network.unpack(torch.from_numpy(result.theta))
    for name, weight in weights.items():
        weight.fill_(-1.0 if name.startswith("b") else 0.0)
    theta = network.pack({name: weight[0] for name, weight in weights.items()}).numpy()
    result.theta[:], result.halfway[:] = theta, theta
    for name, found in result.predictions.items():
        result.predictions[name][:] = np.zeros_like(found)
    return result


@pytest.fixture
def project(in_tmp: Path, monkeypatch: pytest.MonkeyPatch, random_networks: Experiments) -> Path:
    """Return a folder with a table of three studies that come to nothing, each in its way, trained and evaluated."""
    table = tiny.raw("next_value")
    row = table["studies"].pop("sine") | {"label": LABEL, "question": "Is 1 < 2 & 'so' \"on\"?\nYes."}
    table["methods"] |= {name: {"label": f"{LABEL} {name}", "about": LABEL} | own for name, own in METHODS.items()}
    table["studies"] = {
        "all_diverge": row | {"methods": ["fast"]},
        "no_epochs": row | {"methods": ["linear", "esn"]},
        "dead_relu": row | {"methods": ["dead", "linear"], "fit": row["fit"] | {"seeds": 1}},
    }
    paths.PARAMS.write_text(yaml.safe_dump(table, sort_keys=False, allow_unicode=True), encoding="utf-8")
    configure.main()
    for study in config.studies():
        generate.main(study)
        own = config.experiment(study)
        for run in (Run(own, name) for name in own.methods):
            results.save(run, dead(run) if run.name == "dead" else fit(run, store.load(study)), 1.0)
        evaluate.study(study)
    numbers, found = random_networks
    for name, each in found.items():
        files.write_atomic(paths.RANDOM_NETWORKS / f"{name}.csv", each.to_csv(index=False).encode())
    files.write_json(paths.RANDOM_NETWORKS / "numbers.json", numbers)
    fingerprint.write(paths.RANDOM_NETWORKS, "?", paths.RANDOM_NETWORKS.iterdir())
    monkeypatch.setattr(tracking, "connect", Silent)
    monkeypatch.setattr(gallery, "FEW", 10**6)  # in this process
    return in_tmp


def test_the_page_of_rows_that_come_to_nothing_is_made_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report.main()
    text = paths.INDEX.read_text(encoding="utf-8")
    page = Page(text)
    words = " ".join(" ".join(page.words).split())
    assert words.count(LABEL) > 6 and "fault" not in page.attributes and "could not be" not in words
    assert "Validation chooses no method: of 1, 1 diverged." in words
    assert not (paths.FIGURES / "no_epochs-learning_curves.svg").exists()
    assert (paths.FIGURES / "dead_relu-forecast.svg").exists() and "5$ " in (paths.FIGURES / "headline.svg").read_text(
        encoding="utf-8"
    )
    metrics = files.read_json(paths.METRICS, "")
    assert list(metrics) == ["all_diverge", "no_epochs", "dead_relu"]

    # A figure that fails is missing, and all else is there.
    def broken(*given: Any) -> None:
        raise ZeroDivisionError("no luck")

    from unrolled.report.figures.forecast import Forecast

    monkeypatch.setattr(Forecast, "draw", broken)
    (paths.FIGURES / "dead_relu-forecast.svg").unlink()
    with pytest.raises(ZeroDivisionError):
        report.main()
    monkeypatch.delenv("UNROLLED_STRICT")
    capsys.readouterr()
    report.main()
    said = "dead_relu-forecast could not be drawn: ZeroDivisionError: no luck (report/gallery.py:"
    assert f"report: the figure {said}" in capsys.readouterr().out
    after = paths.INDEX.read_text(encoding="utf-8")
    assert "ZeroDivisionError: no luck" in after and "no_epochs-forecast.svg" in after and len(after) > 0.9 * len(text)


@pytest.mark.parametrize("broken", [np.inf, np.nan])
def test_a_regression_without_a_finite_validation_loss_has_diverged_and_is_not_ranked(
    broken: float, make_run: MakeRun
) -> None:
    run, data = make_run({"cell": "window", "optimiser": "ridge"})
    whole = fit(run, data)
    assert not whole.diverged.any()
    data.val["targets"][:] = broken
    result = fit(run, data)
    assert result.diverged.all() and np.isinf(result.loss)
    row = evaluated([scored(run, result, data)], data)[0]["methods"]["method"]
    assert row["rank"] is None and row["score"] is None and not row["chosen_by_validation"]
