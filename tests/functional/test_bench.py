"""The benchmark runs and prints ratios; its figures are no business of the tests."""

import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs() -> None:
    command = [sys.executable, "-m", "bench", "--rounds", "1", "--requests", "2"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=root)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    assert "400 kB" in ran.stdout
