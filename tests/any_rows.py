"""Studies as the stage `evaluate` may leave them, drawn at random: any score, any state, any text."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

import made_up
from unrolled import registry
from unrolled.analysis.convergence import State
from unrolled.analysis.evaluate import choose, rank
from unrolled.analysis.headline import headline, rounded, sequence_variances
from unrolled.analysis.score import Score
from unrolled.data.task import TestSet
from unrolled.report.results import Evaluation
from unrolled.report.style import looks

EVIL = "<x-evil onclick=alert(1)>&lt;</td>"
NASTY = (
    "",
    " ",
    "$",
    "5$ to 6$",
    r"\$x_{i}$ $\frac",
    "$" * 9,
    "_",
    "a_b^c",
    EVIL,
    "\"quoted\" & 'single'",
    "中文字符",
    "🎉👩‍🔬",
    "Ünïcödé µ°²",
    "two\nlines",
    "{x} {{ y }} %s {% raw %}",
    "tab\tnull\x00bell\x07",
    "x" * 300,
    "word " * 80,
    "#1, or 2; and 3",
    "nan",
    "-1e5",
)
"""Labels, units and names of columns."""
EDGES = (0.0, 1e-300, 1e-38, 1e-12, 0.3, 1.0, 1.05, 1.1, 1e12, 1e38, 1e300, float("inf"), float("nan"))
NAMES = {"rnn": "rnn", "rnn_clip": "rnn", "lstm": "lstm", "gru_2": "gru", "esn": "reservoir", "linear": "regression"}
NAMES |= {"euler": "reference", "new": "a family of its own", "nan": "rnn"}
"""Methods and their families."""
STATES: tuple[State, ...] = ("converged", "still improving", "at chance", "diverged")

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
numbers = st.one_of(st.sampled_from(EDGES), st.floats(1e-6, 1e6))
signed = st.one_of(numbers, numbers.map(lambda x: -x))
known = signed.map(rounded)
"""As a number stands in metrics.json: None where it is not finite."""
positive = numbers.map(rounded)
flags = st.booleans()


def lines(count: int, of: Any = numbers) -> Any:
    """Return columns of so many numbers, as the tables have them."""
    return st.lists(of, min_size=count, max_size=count)


@st.composite
def rows(draw: Any, name: str, score: Score, test: TestSet, seeds: int, about: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one method: what is said of its scores fits its seeds, and all else is anything."""
    trains, iterative, deterministic = name != "euler", draw(flags), draw(flags)
    found = np.array(draw(lines(1)) * seeds if deterministic else draw(lines(seeds)))
    found = np.where(np.isfinite(found), found, np.nan)
    own = made_up.row(name, 1.0, 1) | headline(score, found, test, deterministic)
    own |= {"seeds": [rounded(each) for each in found], "deterministic": deterministic, "trains": trains}
    own |= {"diverged": int(np.isnan(found).sum()), "trained": seeds, "val_loss": draw(positive)}
    state = draw(st.sampled_from(STATES)) if trains else None
    own |= {"state": state, "converged": state == "converged", "best_epoch": draw(positive) if iterative else None}
    own |= {"label": draw(texts), "about": draw(texts), "family": NAMES[name], "tuned_by_hand": draw(texts)}
    own |= {"cell": draw(st.sampled_from(("elman", "lstm", "gru", "window"))), "recurrent": draw(flags)}
    own |= {"initialiser": draw(st.sampled_from(("uniform", "orthogonal", "echo_state")))}
    own |= {"optimiser": draw(st.sampled_from(("adam", "ridge", "hessian_free", "nesterov")))}
    own |= {"learning_rate": draw(positive) if iterative else None, "clip": draw(st.none() | positive)}
    own |= {"updates": draw(st.sampled_from((0, 1, 10**7))), "parameters": draw(st.sampled_from((1, 10**7)))}
    own |= {"autoregressive": draw(flags), "compare_with": draw(st.sampled_from(({}, {"rnn": "<b>"}, {"gone": "?"})))}
    own |= {"at_edge": draw(st.sampled_from(({}, {"learning_rate": "lowest"})))}
    more = draw(st.lists(st.sampled_from((0.0, 60.0, 1e9)), min_size=2, max_size=2))
    costs = [draw(st.sampled_from((1.0, 60.0, 1e9))), *more]  # whoever is trained has seen the data once
    own["passes"] = dict(zip(("forward", "backward", "curvature"), costs, strict=True))
    own["extras"] = {"solved": draw(st.sampled_from((0.0, 1.0))), "updates": draw(positive), "sequences_solved": 0.5}
    own |= {"in_sample": draw(positive), "out_of_sample": draw(positive), "one_step": draw(positive)}
    own |= {"power_spectrum_error": draw(positive), "growth_rate": draw(known), "exponent": draw(known)}
    numbers_of = {key: draw(known) for key in ("d_stsp", "d_h", "pe_20")}
    exponents = draw(st.none() | st.lists(known, min_size=3, max_size=3))
    own["attractor"] = (numbers_of | {"exponents": exponents}) if about["attractor_floor"] else None
    sizes = st.sampled_from((0.0, 1e-300, 0.1, 1e300))
    one = {"members": 1, "crps": draw(sizes), "mae": draw(sizes), "coverage": None, "nominal": None}
    several = {"members": 5, "coverage": draw(st.sampled_from((0.0, 1.0))), "nominal": 2 / 3}
    own["ensemble"] = draw(st.sampled_from((None, one, one | several)))
    own["tests"] = {each: headline(score, np.array(draw(lines(seeds))), test, False) for each in about["tests"]}
    if not about["tests"]:
        del own["tests"]
    flow = {key: draw(known) for key in ("before", "halfway", "after", "exponent", "memory", "radius")}
    if own["recurrent"]:
        own["flow"] = {key: flow[key] for key in flow if key in ("before", "after") or draw(flags)}
    if draw(st.integers(0, 9)) == 0:
        nothing = headline(score, np.array([]), test, False)
        own |= nothing | {"state": "not evaluated", "fault": f"ValueError: {EVIL}", "seeds": [None] * seeds}
        own |= dict.fromkeys(
            ("val_loss", "best_epoch", "in_sample", "out_of_sample", "power_spectrum_error", "attractor", "ensemble")
        )
        own["extras"] = {}
        own.pop("flow", None)
        own.pop("exponent")
    return own


@st.composite
def studies(draw: Any, name: str) -> Evaluation:
    """Return a study with any methods, any of whose parts may be missing."""
    score: Score = registry.make("scores", draw(st.sampled_from(("rmse", "mse", "valid_time"))))
    ones = np.ones((2, 3, 1))
    test = TestSet(ones, ones, np.arange(3.0), lyapunov=draw(st.sampled_from((None, 0.9))))
    whole = made_up.study(name, draw(st.sampled_from((50, 200))))
    metrics = dict(whole.metrics)
    further = {"harder": {"label": draw(texts), "unit": draw(texts)}} if draw(flags) else {}
    floor = {"d_stsp": 0.1, "d_h": None, "pe_20": 1.0, "exponents": [0.9, None, -1.0], "runs": 1, "steps": 2}
    about = {"tests": further, "attractor_floor": (floor | {"transient": 3}) if draw(flags) else None}
    seeds = draw(st.sampled_from((1, 2, 5)))
    names = draw(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=5, unique=True))
    methods = {each: draw(rows(each, score, test, seeds, about)) for each in names}
    rank(methods, -1.0 if score.higher_is_better else 1.0)
    choose(methods)
    columns = st.dictionaries(texts.filter(bool), texts, min_size=1, max_size=2)
    inputs, outputs = draw(st.just({}) | columns), draw(columns)
    metrics |= about | {"methods": methods, "label": draw(texts), "question": draw(texts), "unit": draw(texts)}
    metrics |= {"score_label": score.label, "better": "higher" if score.higher_is_better else "lower"}
    metrics |= {"inputs": inputs, "outputs": outputs, "time_unit": draw(texts), "test_label": draw(texts)}
    metrics["group"] = draw(st.sampled_from(("memory", "driven", "chaos", "autonomous", "measured")))
    metrics |= {"lyapunov": test.lyapunov, "closed_loop": draw(flags), "measured": draw(flags)}
    metrics |= {"reference": "rnn" if "rnn" in names else None, "default_tolerance": draw(positive)}
    left = {each: np.array(draw(lines(3, st.floats(-9, 9)))) if draw(flags) else None for each in names}
    metrics["sequences"] = sequence_variances(left)
    for part in ("recall", "floor"):
        if draw(flags):
            del metrics[part]
    if "rnn" not in names or "fault" in methods["rnn"] or not methods["rnn"]["recurrent"] or draw(flags):
        del metrics["dynamics"]
    return Evaluation(name, metrics, draw(tables(methods, inputs, outputs)), looks(NAMES))


@st.composite
def tables(draw: Any, methods: dict[str, Any], inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, Any]:
    """Return the tables of a study: of some methods, or of none, with any numbers."""
    names = [name for name, row in methods.items() if "fault" not in row]
    three = {"low": lines(3), "median": lines(3), "high": lines(3)}

    def some(of: list[str], parts: tuple[str, ...], key: str, **columns: Any) -> list[pd.DataFrame]:
        made = [
            {"method": name, key: part, **{n: draw(each) for n, each in columns.items()}}
            for name in of
            for part in parts
        ]
        return [pd.DataFrame(each) for each in made]

    iterative = [name for name in names if methods[name]["best_epoch"] is not None]
    steps = st.just([1, 2, 3])
    found = {"curves": some(iterative, ("train", "val"), "loss", epoch=steps, **three)}
    calm = lines(3, st.floats(-1e3, 1e3))  # the data are finite
    found["forecasts"] = []
    for output in outputs:
        found["forecasts"] += some(["truth"], (output,), "output", time=steps, value=calm)
        found["forecasts"] += some(names, (output,), "output", time=steps, value=lines(3, signed))
    channels = tuple({**inputs, **outputs})
    found["data"] = [each.assign(split="train") for each in some(["?"], channels, "channel", time=steps, value=calm)]
    long = draw(flags)
    found["growth"] = some(names if long else [], ("?",), "_", time=steps, **three)
    parts = ("path", "spectrum")
    found["power_spectrum"] = some(["truth"] if long else [], parts, "kind", a=calm, b=calm)
    found["power_spectrum"] += some(names if long else [], parts, "kind", a=lines(3, signed), b=lines(3))
    recurrent = [name for name in names if "flow" in methods[name]]
    found["gradients"] = some(recurrent, ("before", "after"), "when", lag=steps, loss=lines(3), **three)
    empty = pd.DataFrame(columns=["method", "loss", "epoch", "median"])
    return {name: pd.concat(frames, ignore_index=True) if frames else empty for name, frames in found.items()}
