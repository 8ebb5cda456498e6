"""Every test here runs twice: as root and as an ordinary user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Result, Sandbox
from tests.e2e.internet import Internet, Online, internet

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need a real sandbox."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.needs("sandbox"))


@pytest.fixture(scope="session", params=[pytest.param("root", marks=pytest.mark.root), "user"])
def mode(request: pytest.FixtureRequest) -> str:
    """Who runs the agent."""
    return str(request.param)


@pytest.fixture
def sandbox(mode: str) -> Iterator[Sandbox]:
    """A user with a home, a state directory and a workspace, all fresh."""
    with Sandbox.make(mode) as made:
        yield made


@pytest.fixture(scope="module")
def shared_sandbox(mode: str) -> Iterator[Sandbox]:
    """The same for tests that look at one run from many sides."""
    with Sandbox.make(mode) as made:
        yield made


@pytest.fixture(scope="session")
def net() -> Iterator[Internet]:
    """The tests' own internet, in namespaces of whoever runs the tests."""
    with internet() as made:
        yield made


@pytest.fixture
def online(sandbox: Sandbox, net: Internet) -> Online:
    """A user whose machine is on the tests' own internet. Mark with `needs("tun", "internet")`."""
    return Online(sandbox, net)


@pytest.fixture
def both(sandbox: Sandbox) -> Callable[..., Result]:
    """Return a function that runs a script outside and inside and compares everything that can be seen."""
    from tests.e2e.compare import Twins

    return Twins(sandbox).check
