"""The rule that knowledge/README.md gives to copy is a good one, and passes its own cases."""

import re
from pathlib import Path

import cds_service
from cds_service.review.checking import check

README = Path(cds_service.__file__).parent / "knowledge" / "README.md"


def test_the_rule_to_copy_has_no_fault(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(?:toml|python)\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    folder = tmp_path / "anaemia_beside"
    folder.mkdir()
    for name, text in zip(("rule.toml", "rule.py", "cases.toml", "__init__.py"), (*blocks, ""), strict=True):
        (folder / name).write_text(text, "utf-8")
    (found,) = check(folder)
    assert (found.name, found.faults) == ("anaemia-beside", ())
    assert found.cases == 8
