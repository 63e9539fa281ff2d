"""The README's examples run as they stand, but for the address."""

import re
import runpy
from pathlib import Path

import PIL.Image
import pytest

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(4))
def test_examples_run(
    number: int,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (40, 30), "green").save("tree.png")
    example = EXAMPLES[number]
    assert "127.0.0.1:7400" in example
    Path("example.py").write_text(example.replace("127.0.0.1:7400", address))
    runpy.run_path("example.py")
    assert capsys.readouterr().out


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == 4


def test_the_quick_start_takes_five_lines() -> None:
    assert len([line for line in EXAMPLES[0].splitlines() if line.strip()]) <= 5
