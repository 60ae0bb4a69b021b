"""Options of a method's row: they reach the item that declares them, and an unknown one is named."""

import pytest

from conftest import MakeJob, Refused
from unrolled import registry
from unrolled.config import Method
from unrolled.training.jobs import _check_options
from unrolled.training.learn import setting_of

ROW = {"about": "?", "cell": "leaky", "hidden": 4, "initialiser": "echo_state", "optimiser": "ridge"}


def test_each_item_takes_its_own(make_job: MakeJob) -> None:
    job = make_job(ROW | {"options": {"leak": 0.25, "radius": 0.5, "washout": 3.0}})
    network = job.network()
    assert network.cell.option == {"leak": 0.25}
    known = registry.load("initialisers", "echo_state").OPTIONS
    assert setting_of(job, network).option(known) == known | {"radius": 0.5}
    assert registry.load("optimisers", "ridge")(job.method.options).option == {"washout": 3.0}


def test_a_misspelt_option_is_named_with_the_one_meant(refused: Refused) -> None:
    _check_options({"esn": Method(**ROW, options={"radius": 0.5})})
    with refused("methods.esn.options", "'raduis'", "did you mean 'radius'", "leak", "washout"):
        _check_options({"esn": Method(**ROW, options={"raduis": 0.5})})


@pytest.mark.parametrize("kind", ["cells", "initialisers", "optimisers"])
def test_options_have_defaults_that_are_numbers(kind: str) -> None:
    declared = [registry.options(kind, name) for name in registry.names(kind)]
    assert any(declared)
    assert all(isinstance(value, float) for each in declared for value in each.values())
