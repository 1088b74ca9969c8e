"""Settings for all tests. Where CI is set, property tests try the same examples each time."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


#: Every app of a test has a store of its own in memory, unless the test names another.
os.environ["DATABASE_URL"] = "sqlite://"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL set, a skipped test has failed: CI installs every tool that tests need."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL is set, and {item.nodeid} was skipped"
    return report
