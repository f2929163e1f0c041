"""What can rot is tested: the README's commands and snippet, links, versions, the check that runs them."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from voicebridge import __version__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def between(text: str, begin: str) -> str:
    return text.split(f"<!-- {begin} -->")[1].split("<!-- end -->", maxsplit=1)[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


def test_the_readme_names_every_page_of_the_docs() -> None:
    assert all(f"docs/{page.name}" in README for page in PAGES[1:])


def test_the_snippet_is_python_and_uses_the_official_package_alone() -> None:
    code = re.search(r"```python\n(.*?)```", between(README, "snippet"), re.DOTALL)
    assert code is not None
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(code.group(1)))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
        )
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"asyncio", "openai"}


def test_the_check_runs_the_readmes_test_command() -> None:
    command = [line.strip() for line in between(README, "test command").splitlines() if line.startswith("    ")]
    assert len(command) == 1
    assert command[0].endswith("pytest")
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_exact_versions_are_pinned_and_carry_no_address() -> None:
    lines = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").split()
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.\-]+", line) for line in lines)


def test_the_pins_agree_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {line.lower().replace("_", "-") for line in (ROOT / ".ci" / "constraints.txt").read_text().split()}
    exact = [one for one in project["dependencies"] if "==" in one]
    assert all(one in pinned for one in exact)


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
