"""The layers of docs/architecture.md, held true: imports point down, the core does no I/O, tasks have owners."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "voicebridge"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "audio": {"errors"},
    "protocol": {"errors"},
    "core": {"errors", "audio", "protocol"},
    "wire": {"errors", "audio", "protocol", "core"},
    "transports": {"errors", "audio", "protocol", "core", "wire"},
    "engines": {"errors", "audio", "core"},
    "runtime": {"errors", "audio", "protocol", "core"},
    "state": {"errors"},
    "config": {"errors"},
    "config_sources": {"errors", "config"},
    "ice_servers": {"config"},
    "telemetry": {"errors", "audio", "protocol", "core", "config"},
}
"""What each layer may know besides itself. `server` and `cli` know everything."""

SANS_IO = ("audio", "protocol", "core", "wire")
FORBIDDEN_BELOW_THE_SHELLS = {
    "asyncio", "socket", "threading", "subprocess", "logging", "time", "datetime", "httpx", "starlette", "uvicorn",
    "websockets", "multiprocessing", "concurrent",
}  # fmt: skip

MAX_MODULE_LINES = 500
MAX_CLASS_LINES = 300
MAX_FUNCTION_LINES = 60


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "data" not in path.parts)


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    allowed = MAY_IMPORT.get(layer(path))
    if allowed is None:
        return
    ours = {name.split(".")[1] for name in imports(parsed(path)) if name.startswith("voicebridge.")}
    assert ours <= allowed | {layer(path)}


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if layer(path) in SANS_IO],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_core_does_no_io_and_reads_no_clock(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(parsed(path))} & FORBIDDEN_BELOW_THE_SHELLS


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_task_has_an_owner(path: Path) -> None:
    calls = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    orphans = [
        ast.unparse(call.func)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"create_task", "ensure_future", "run_coroutine_threadsafe"}
        and not ast.unparse(call.func.value).endswith("tasks")
    ]
    assert not orphans


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_classes_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    too_long = [f"module: {len(text.splitlines())}"] if len(text.splitlines()) > MAX_MODULE_LINES else []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        limit = MAX_CLASS_LINES if isinstance(node, ast.ClassDef) else MAX_FUNCTION_LINES
        if length > limit:
            too_long.append(f"{node.name}: {length}")
    assert not too_long


def test_importing_the_package_imports_nothing_heavy() -> None:
    tree = parsed(PACKAGE / "__init__.py")
    assert set(imports(tree)) <= {"__future__"}
