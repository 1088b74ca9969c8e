"""The invariants of docs/architecture.md that no linter checks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cds_service

PACKAGE = Path(cds_service.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_MODULE = 60, 400


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]


def test_functions_fit_the_eye() -> None:
    long = [
        f"{path.name}:{node.name}"
        for path in MODULES
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_modules_stay_small() -> None:
    assert [path.name for path in MODULES if len(path.read_text("utf-8").splitlines()) > LONGEST_MODULE] == []


def test_no_module_is_a_bag() -> None:
    bags = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "core", "handler"}
    assert [path for path in MODULES if path.stem in bags] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_public_is_described(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if not tree.body:
        return
    assert ast.get_docstring(tree), f"{path} has no docstring"
    public = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_knowledge_reads_no_clock_and_floats_nothing() -> None:
    forbidden = ("datetime.now", "time.time", "random.", "float(", "open(", "print(")
    found = [
        (path.name, word)
        for path in [*(PACKAGE / "knowledge").rglob("*.py"), *(PACKAGE / "facts").rglob("*.py")]
        for word in forbidden
        if word in path.read_text("utf-8")
    ]
    assert found == []


def test_rules_are_short() -> None:
    """A rule decides in about 25 lines; what it needs beside that has a name of its own."""
    rules = (PACKAGE / "knowledge" / "rules").glob("*/rule.py")
    long = [
        f"{path.parent.name}.{node.name}"
        for path in rules
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > 35
    ]
    assert long == []


def test_no_threshold_stands_in_code() -> None:
    """Clinical numbers live in TOML: no Decimal literal in a rule but zero and a share of a hundred."""
    found = []
    for path in (PACKAGE / "knowledge" / "rules").glob("*/rule.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decimal":
                argument = node.args[0]
                if not (isinstance(argument, ast.Constant) and argument.value == 0):
                    found.append(f"{path.parent.name}:{node.lineno}")
    assert found == []


def test_knowledge_can_be_imported_without_flask() -> None:
    program = "import sys; import cds_service.knowledge.model as m; m.load(); sys.exit('flask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0  # noqa: S603
