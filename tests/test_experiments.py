"""From the table to experiments: defaults, groups, changes, sizes; each contradiction in one line, before training."""

from typing import Any

import pytest

from conftest import Refused
from real_table import ALL, DELETED, RAW, edited
from unrolled import registry
from unrolled.config import Experiment, Table
from unrolled.errors import UnrolledError
from unrolled.models.build import network_of, widths
from unrolled.training.experiments import resolve
from unrolled.training.runs import Run
from unrolled.training.table import resolve_all

TABLE = Table.model_validate(ALL)


def changed(changes: dict[str, Any]) -> Table:
    """Return the table of all studies with some keys changed."""
    return Table.model_validate(edited(changes))


def sine(**study: Any) -> Experiment:
    """Return the experiment of the sine with some keys of its row changed."""
    return resolve(changed({f"studies.sine.{key}": value for key, value in study.items()}), "sine")


def test_the_real_table_has_no_contradiction_and_an_experiment_reads_back_as_it_was_written() -> None:
    resolve_all(TABLE)
    for name in TABLE.studies:
        own = resolve(TABLE, name)
        assert own.methods and own.methods.keys().isdisjoint(own.absent)
        assert {*own.methods, *own.absent} == set(TABLE.methods)
        assert Experiment.model_validate_json(own.model_dump_json()) == own


def test_the_full_table_is_larger_and_has_no_contradiction() -> None:
    default = Table.model_validate(RAW)
    resolve_all(default)
    assert set(TABLE.studies) > set(default.studies)
    for name in default.studies:
        one, other = resolve(default, name), resolve(TABLE, name)
        passes = [each.fit.epochs * each.data.train for each in (one, other)]
        assert passes[1] > passes[0] and other.fit.seeds >= one.fit.seeds
        assert set(other.methods) >= set(one.methods) and other.question == one.question
    longest = [
        max(s.data.settings["steps"] for s in t.studies.values() if s.data.task == "recall") for t in (default, TABLE)
    ]
    assert longest == [1000, 5000]


def test_the_core_methods_are_on_every_study_that_can_be_trained_properly_in_the_default_run() -> None:
    for name in RAW["studies"]:
        own = resolve(Table.model_validate(RAW), name)
        missing = set(RAW["groups"]["core"]) - set(own.methods)
        forced = all(method.forcing for method in own.methods.values())  # it asks about the forcing alone
        classes = registry.load("tasks", own.data.task).loss == "cross_entropy"  # for which there is no regression
        few = name == "recall_1000" or forced or classes
        assert not missing or few, f"{name} lacks {missing}"


def test_a_studys_fit_goes_over_the_defaults() -> None:
    own = sine(fit={"epochs": 3, "batch": 8, "seeds": 2, "learning_rates": [0.5]})
    assert (own.fit.epochs, own.fit.seeds, own.fit.tuning_seeds) == (3, 2, ALL["defaults"]["tuning_seeds"])
    assert own.methods["rnn"].learning_rates == [0.5]
    assert own.methods["rnn_hessian_free"].learning_rates is None  # it has none
    assert resolve(TABLE, "sine").methods["rnn"].learning_rates == ALL["defaults"]["learning_rates"] != [0.5]


def test_groups_stand_for_their_members_and_changes_for_a_method_of_this_study() -> None:
    changes = [{"lstm": {"hidden": 5}}, "newer", {"esn": {"options": {"leak_rate": 0.5}}, "rnn": {}}]
    own = sine(methods=changes)
    assert list(own.methods) == [
        name for name in TABLE.methods if name in ("lstm", *ALL["groups"]["newer"], "esn", "rnn")
    ]
    assert own.methods["lstm"].hidden == 5 != TABLE.methods["lstm"].hidden
    assert own.methods["lstm"].cell == TABLE.methods["lstm"].cell
    assert own.methods["esn"].options == TABLE.methods["esn"].options | {"leak_rate": 0.5}
    assert own.methods["rnn"] == resolve(TABLE, "sine").methods["rnn"]
    untouched = resolve(TABLE, "noisy_sine").methods
    assert untouched["lstm"].hidden != 5 and len(untouched) > 10


def test_what_is_absent_says_why() -> None:
    own = sine(methods=["rnn"])
    assert own.absent["gru"] == "not in this study's list"
    assert own.absent["arx"] == "needs a measured record"
    assert own.absent["exact"] == "needs a linear driven system"
    assert own.absent["persistence"] == "needs the initial state as input"
    assert resolve(TABLE, "recall_50").absent["lstm_noise"] == "needs a test in closed loop"
    assert "exact" in resolve(TABLE, "oscillator").methods
    assert resolve(TABLE, "duffing").absent["exact"] == "needs a linear driven system"


def parameters(own: Experiment, name: str, **change: Any) -> int:
    run = Run(own, name)
    method = run.method.model_copy(update=change)
    return network_of(method, own.data, *widths(method, own.data, run.task, run.system)).parameters


def test_hidden_sizes_come_from_the_number_of_parameters_and_are_the_nearest() -> None:
    fit = RAW["studies"]["sine"]["fit"]
    own = sine(fit=fit | {"parameters": 700}, methods=["rnn", "gru", "lru", "linear", {"lstm": {"hidden": 3}}])
    assert own.methods["lstm"].hidden == 3 and own.methods["linear"].hidden is None
    for name in ("rnn", "gru", "lru"):
        hidden = own.methods[name].hidden
        assert hidden is not None
        off = [abs(parameters(own, name, hidden=size) - 700) for size in (hidden - 1, hidden, hidden + 1)]
        assert off[1] == min(off) and off[1] < max(off)
    given = changed({"methods.rnn.hidden": 9, "studies.sine.methods": ["rnn"], "studies.sine.fit.parameters": 700})
    assert resolve(given, "sine").methods["rnn"].hidden == 9 != own.methods["rnn"].hidden


def test_two_seeds_one_of_the_training_and_one_of_the_data() -> None:
    plain, other = resolve(TABLE, "sine"), resolve(changed({"seed": 2, "data_seed": 3}), "sine")
    assert (plain.seed, plain.data.seed, other.seed, other.data.seed) == (0, 0, 2, 3)
    count = ALL["defaults"]["seeds"]
    assert plain.seeds == list(range(count)) and other.seeds == list(range(2000, 2000 + count))


def test_a_study_or_a_method_may_be_deleted_without_touching_the_other_rows() -> None:
    first, *others = TABLE.studies
    assert list(changed({f"studies.{first}": DELETED}).studies) == others
    compared = {name for method in TABLE.methods.values() for name in method.compare_with} - {"gru"}
    assert "gru_init" in compared
    for name in compared:
        lists = {s: [e for e in ALL["studies"][s]["methods"] if name not in e] for s in TABLE.studies}
        groups = {group: [m for m in members if m != name] for group, members in ALL["groups"].items()}
        raw = {f"studies.{s}.methods": entries for s, entries in lists.items() if entries}
        resolve_all(changed({f"methods.{name}": DELETED} | raw | {f"groups.{g}": m for g, m in groups.items()}))


ITEMS = {
    "studies.sine.data.system": ("sin", "systems"),
    "studies.oscillator.data.task": ("respnse", "tasks"),
    "studies.silverbox.data.record.source": ("silverbx", "records"),
    "studies.sine.score": ("mmse", "scores"),
    "methods.lstm.cell": ("lsmt", "cells"),
    "methods.rnn.optimiser": ("adm", "optimisers"),
    "defaults.initialiser": ("unifrm", "initialisers"),
    "random_networks.initialisers": ({"orthogonl": "tanh"}, "initialisers"),
}


@pytest.mark.parametrize("key", ITEMS)
def test_an_unknown_item_lists_the_known(key: str, refused: Refused) -> None:
    value, kind = ITEMS[key]
    name = value if isinstance(value, str) else next(iter(value))
    with refused(f"'{name}' is not known; did you mean", *registry.names(kind)):
        resolve_all(changed({key: value}))


SINE, BOX = "studies.sine.", "studies.silverbox."
CONTRADICTIONS: list[tuple[dict[str, Any], list[str]]] = [
    # names
    ({SINE + "methods": ["rn"]}, ["studies.sine.methods: method or group 'rn' is not known", "did you mean 'rnn'?"]),
    ({"groups.newer": ["lstmm"]}, ["groups.newer: method 'lstmm' is not known", "did you mean 'lstm'?"]),
    ({"groups.rnn": ["gru"]}, ["'groups.rnn' has the name of a method: rename one"]),
    ({SINE + "methods": [{"newer": {"hidden": 3}}]}, ["studies.sine.methods: 'newer' is a group"]),
    # keys and types of the task, the fit, and what a study changes in a method
    ({SINE + "data.windw": 20, SINE + "data.window": DELETED}, ["'studies.sine.data.windw' is not known", "'window'?"]),
    ({SINE + "data.nois": [0, 1]}, ["'studies.sine.data.nois' is not known; did you mean 'noise'?", "window"]),
    (
        {"studies.lorenz.data.stpes": 300, "studies.lorenz.data.steps": DELETED},
        ["'studies.lorenz.data.stpes' is not known; did you mean 'steps'?"],
    ),
    ({"studies.lorenz.data.steps": DELETED}, ["'studies.lorenz.data.steps' is missing"]),
    ({"studies.lorenz.data.steps": "12"}, ["studies.lorenz.data.steps is '12'", "integer"]),
    ({"studies.recall_50.data.steps": 1}, ["studies.recall_50.data.steps is 1", "greater than or equal to 2"]),
    ({SINE + "data.noise": [0.0]}, ["studies.sine.data.noise", "at least 2"]),
    ({SINE + "data.parameters": {"omga": 1.0}}, ["studies.sine.data", "'omga' is not known; did you mean 'omega'?"]),
    ({"studies.lorenz.data.observed": ["u"]}, ["studies.lorenz.data", "'u' is not known", "x, y, z"]),
    ({"defaults.sedes": 3}, ["'defaults.sedes' is not known; did you mean 'seeds'?"]),
    ({SINE + "fit.epohcs": 3}, ["'studies.sine.fit.epohcs' is not known; did you mean 'epochs'?"]),
    ({SINE + "fit.learning_rates": []}, ["studies.sine.fit.learning_rates", "at least 1"]),
    ({SINE + "fit.learning_rates": ["1e-3"]}, ["studies.sine.fit.learning_rates", "'1e-3'", "number"]),
    ({SINE + "methods": [{"rnn": {"hiden": 3}}]}, ["studies.sine.methods.rnn.hiden", "did you mean 'hidden'?"]),
    ({SINE + "methods": [{"rnn": {"hidden": "3"}}]}, ["studies.sine.methods.rnn.hidden is '3'"]),
    ({SINE + "methods": [{"esn": {"options": 3}}]}, ["studies.sine.methods.esn.options is 3"]),
    # options belong to cell, initialiser or optimiser
    ({"methods.rnn.options": {"leak_rate": 0.5}}, ["methods.rnn.options: 'leak_rate' is not known", "activation"]),
    ({"methods.rnn.options": {"window": 3}}, ["methods.rnn.options: 'window' is not known"]),
    ({"methods.rnn.options": {"activation": "tahn"}}, ["methods.rnn.options.activation is 'tahn'"]),
    ({"methods.esn.options.connections": 1.5}, ["methods.esn.options.connections is 1.5", "integer"]),
    (
        {SINE + "methods": [{"esn": {"options": {"leak_rate": 3}}}]},
        ["studies.sine.methods.esn.options.leak_rate is 3", "less than or equal to 1"],
    ),
    # a cell without units
    ({"defaults.parameters": DELETED}, ["studies.sine.methods: rnn, ", "needs 'hidden'", "'parameters'"]),
    (
        {"studies.lorenz.methods": [{"rnn": {"closed_loop": 250}}]},
        ["studies.lorenz.methods.rnn.closed_loop is 250: the sequences have 250 steps with a target"],
    ),
    ({"studies.lorenz.methods": [{"rnn": {"closed_loop": 9, "truncate": 5}}]}, ["does not go with 'truncate'"]),
    (
        {"studies.lorenz.methods": [{"esn": {"closed_loop": 9}}]},
        ["esn.closed_loop changes nothing: it is not used by the optimiser 'ridge'"],
    ),
    ({"studies.duffing.methods": [{"rnn": {"closed_loop": 9}}]}, ["the task has no closed loop"]),
    ({SINE + "methods": [{"rnn": {"closed_loop": 9}}]}, ["sees a window that slides"]),
    ({"studies.recall_50.methods": [{"lstm": {"centred": True}}]}, ["lstm.centred: needs a cell whose inputs"]),
    ({"studies.lorenz.methods": [{"rnn": {"centred": True}}]}, ["rnn.centred: outputs come back as inputs"]),
    ({"methods.rnn.hidden": 0}, [".methods: rnn: needs 'hidden'"]),
    # task and system or record
    (
        {SINE + "data.system": "oscillator", SINE + "data.parameters": {}},
        ["studies.sine.data: task 'next_value' needs a system without a force"],
    ),
    ({SINE + "data.window": 640}, ["task 'next_value' needs window < train"]),
    ({SINE + "data.washout": 3}, ["task 'next_value' takes no washout"]),
    ({SINE + "data.noise": [2.0, 0.0]}, ["task 'next_value' needs 'noise' with the lower bound first"]),
    (
        {"studies.oscillator.data.system": "sine", "studies.oscillator.data.parameters": {}},
        ["task 'response' needs a driven system"],
    ),
    ({"studies.oscillator.data.washout": 400}, ["'steps' of more than the washout of 400"]),
    ({"studies.oscillator.data.amplitudes": [1.0, 0.2]}, ["needs 'amplitudes' with the lower bound first"]),
    ({"studies.duffing.data.stronger_force": [2.0, 1.0]}, ["needs 'stronger_force' with the lower bound first"]),
    ({"studies.lorenz.data.system": "duffing"}, ["task 'forecast' needs a system without a force"]),
    ({"studies.lorenz.data.washout": 300}, ["'steps' of more than the washout of 300"]),
    ({"studies.santa_fe.data.record.inputs": ["a"]}, ["task 'forecast' needs a record without inputs"]),
    ({"studies.recall_50.data.system": "sine"}, ["task 'recall' needs a driven system"]),
    ({"studies.recall_50.data.washout": 3}, ["task 'recall' takes no washout"]),
    (
        {
            "studies.initial_value.data.system": "integrator",
            "studies.initial_value.data.parameters": {},
            "studies.initial_value.data.observed": DELETED,
        },
        ["task 'initial_value' needs a system without a force"],
    ),
    ({"studies.initial_value.data.washout": 3}, ["task 'initial_value' takes no washout"]),
    ({BOX + "data.record.inputs": [], BOX + "data.record.units": {}}, ["task 'simulation' needs a record with inputs"]),
    ({BOX + "data.washout": DELETED}, ["task 'simulation' needs a 'washout'"]),
    ({BOX + "data.washout": 256}, ["'steps' of more than the washout of 256"]),
    ({BOX + "data.record.source": "csv"}, ["studies.silverbox.data.record: 'csv' needs 'file'"]),
    # the score
    ({"studies.duffing.score": "valid_time"}, ["studies.duffing.score", "needs a test in closed loop"]),
    # methods that the study cannot have
    ({SINE + "methods": ["arx"]}, ["studies.sine.methods: 'arx' needs a measured record"]),
    ({SINE + "methods": ["exact"]}, ["studies.sine.methods: 'exact' needs a linear driven system"]),
    ({SINE + "methods": ["persistence"]}, ["'persistence' needs the initial state as input"]),
    ({"studies.recall_50.methods": ["lstm_noise"]}, ["'lstm_noise' needs a test in closed loop"]),
    (
        {SINE + "methods": [{"rnn": {"initialiser": "chrono"}}]},
        ["studies.sine.methods.rnn: initialiser 'chrono' cannot be used", "no gate"],
    ),
    (
        {"studies.oscillator.methods": [{"euler": {"hidden": 3}}]},
        ["studies.oscillator.methods.euler: initialiser 'euler' cannot be used", "2 units"],
    ),
    # columns, residual, parts of windows
    ({"methods.gru_init.inputs": ["V1", "y_int"]}, ["column 'y_int' is not known; did you mean 'y_init'?"]),
    ({"methods.rnn.inputs": ["x"]}, [".methods.rnn.inputs: column 'x' is not known"]),
    ({"methods.gru_init.residual": "linear"}, ["residual needs 'y_linear' in 'inputs'"]),
    ({"methods.gru_autoregressive.residual": "linear"}, ["residual needs 'y_linear' in 'inputs', and 'y_prev' not"]),
    ({"methods.gru_init.steps": 50}, ["studies.silverbox.methods.gru_init.steps is 50", "51 to 256"]),
    ({"methods.gru_init.steps": 500}, ["studies.silverbox.methods.gru_init.steps is 500", "51 to 256"]),
    ({"methods.rnn.steps": 3}, [".methods.rnn.steps is 3", "not of this task"]),
]


@pytest.mark.parametrize(("changes", "parts"), CONTRADICTIONS, ids=[next(iter(c)) for c, _ in CONTRADICTIONS])
def test_a_contradiction_is_found_when_the_table_is_read(changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UnrolledError) as caught:
        resolve_all(changed(changes))
    lines = str(caught.value).splitlines()
    assert any(all(part in line for part in parts) for line in lines), lines
    assert len(lines) <= len(ALL["studies"])  # nothing is said twice
