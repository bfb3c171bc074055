"""The plugin as pytest sees it: its hooks and fixtures, each from the module of its concern."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_simclock import folders, options
from pytest_simclock.clusters import sim_app, sim_cluster
from pytest_simclock.collecting import pytest_collection_finish
from pytest_simclock.fixtures import (
    sim,
    sim_cpu_executor,
    sim_event_executor,
    sim_io_executor,
    sim_node,
    sim_runtime,
)
from pytest_simclock.options import pytest_configure_node
from pytest_simclock.reporting import Reporting
from pytest_simclock.timing import pytest_runtest_setup

if TYPE_CHECKING:
    import pytest

__all__ = [
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_runtest_setup",
    "sim",
    "sim_app",
    "sim_cluster",
    "sim_cpu_executor",
    "sim_event_executor",
    "sim_io_executor",
    "sim_node",
    "sim_runtime",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add_options(parser)
    folders.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options and begin to report; whatever runs tests waits until there are some."""
    options.configure(config)
    folders.configure(config)
    config.pluginmanager.register(Reporting(config), "simclock-reporting")
    folder = folders.campaigns_of(config)
    if folder is not None:
        from pytest_simclock.campaigns import Campaigns

        config.pluginmanager.register(Campaigns(folder), "simclock-campaigns")
