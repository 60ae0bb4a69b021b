"""Tests of one group run in one process: pytest 9.2 with pytest-xdist 3.8 drops the groups without a word."""

import os

import pytest


def test_the_group_of_a_test_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    """Pytest-xdist writes it into the name, https://github.com/pytest-dev/pytest-xdist/issues/1386 ."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("all tests run in one process")
    assert request.node.nodeid.endswith("@test_groups")
