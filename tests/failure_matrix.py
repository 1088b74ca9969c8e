"""docs/failure-matrix.md, made from the tests that show it: each ``@row`` above a test is a row of the table.

``python -m tests.failure_matrix`` prints the page; ``tests/test_docs.py`` compares it with the one in docs/.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

_FILES = (
    "test_protocol.py",
    "test_trust.py",
    "test_limits.py",
    "test_cors.py",
    "test_behind_nginx.py",
    "test_mutual_tls.py",
    "test_data.py",
    "test_orders.py",
    "test_fetching.py",
    "test_feedback.py",
    "test_store.py",
)
_HEAD = """# What comes, what goes back

Made from the tests named in the last column (`python -m tests.failure_matrix`). Errors are FHIR OperationOutcomes that
name the element and the remedy; none holds a stack trace, a token or an echo of the request.

| what comes | what goes back | shown by |
|---|---|---|
"""

_Test = TypeVar("_Test", bound=Callable[..., object])


def row(comes: str, goes_back: str) -> Callable[[_Test], _Test]:
    """Marks a test as the proof of a row of the failure matrix."""
    assert comes
    assert goes_back
    return lambda test: test


def rows() -> Iterator[tuple[str, str, str]]:
    """What comes, what goes back, and the test that shows it, in the order of the tests."""
    for name in _FILES:
        file = Path(__file__).parent / "functional" / name
        for test in ast.parse(file.read_text("utf-8")).body:
            for decorator in test.decorator_list if isinstance(test, ast.FunctionDef) else ():
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == row.__name__:
                    comes, goes_back = (ast.literal_eval(argument) for argument in decorator.args)
                    yield comes, goes_back, f"{name}::{getattr(test, 'name', '')}"


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"| {comes} | {back} | `{test}` |\n" for comes, back, test in rows())


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its purpose
