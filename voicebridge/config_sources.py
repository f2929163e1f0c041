"""Where settings come from: defaults, then a TOML file, then the environment, then flags; later ones win.

Every mistake becomes a `ConfigError` that names the key, where it was written, and what to write instead.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from voicebridge.config import KEY_HASH, Settings, hash_key, sections
from voicebridge.errors import ConfigError

ENV_PREFIX = "VOICEBRIDGE_"
ENV_API_KEY = "VOICEBRIDGE_API_KEY"
ENV_CONFIG = "VOICEBRIDGE_CONFIG"

_SECRET_KEYS = frozenset({"server.api_keys", "server.token_secret", "webrtc.turn_password", "webrtc.turn_secret"})
_HEADER = re.compile(r"\s*\[\s*([\w.\s-]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and, for every key (`section.key`), where its value came from."""

    settings: Settings
    origins: Mapping[str, str]

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """(key, value as one would write it, origin) of every key; secrets masked."""
        for section_name in sections():
            section = getattr(self.settings, section_name)
            for key in type(section).model_fields:
                dotted = f"{section_name}.{key}"
                yield dotted, _written(dotted, getattr(section, key)), self.origins[dotted]


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    origin: str


def load(
    *,
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
) -> Loaded:
    """Read and check everything once.

    `path` is a TOML file; without it the file named by VOICEBRIDGE_CONFIG, if any. `env` is usually `os.environ`.
    `flags` maps `section.key` to (the flag's name, its value); values of None are flags that were not given.
    Raises `ConfigError`.
    """
    env = env or {}
    if path is None and env.get(ENV_CONFIG):
        path = Path(env[ENV_CONFIG])
    values: dict[str, _Value] = {}
    if path is not None:
        values.update(_from_file(path))
    values.update(_from_env(env))
    for dotted, (flag, value) in (flags or {}).items():
        if value is not None:
            values[dotted] = _Value(value, flag)
    settings = _build(values)
    every_key = (f"{name}.{key}" for name, section in sections().items() for key in section.model_fields)
    origins = {dotted: values[dotted].origin if dotted in values else "default" for dotted in every_key}
    return Loaded(settings, origins)


def _from_file(path: Path) -> dict[str, _Value]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}", param="--config") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", param="--config") from error
    lines = _key_lines(text)
    found: dict[str, _Value] = {}
    for section, table in document.items():
        origin = f"{path}:{lines.get(section, 1)}"
        if section not in sections():
            raise ConfigError(f"{origin}: there is no section [{section}]{_did_you_mean(section, sections())}",
                              param=section)  # fmt: skip
        if not isinstance(table, dict):
            raise ConfigError(f"{origin}: {section} is a section; write [{section}] and its keys below", param=section)
        for key, value in table.items():
            dotted = f"{section}.{key}"
            origin = f"{path}:{lines.get(dotted, 1)}"
            _check_known(section, key, origin)
            if dotted == "server.api_keys":
                _refuse_plain_keys(value, origin)
            found[dotted] = _Value(value, origin)
    return found


def _refuse_plain_keys(value: Any, origin: str) -> None:
    """A file is read by more eyes than an environment: it holds hashes only."""
    keys = value if isinstance(value, list) else [value]
    for position, key in enumerate(keys):
        if isinstance(key, str) and not KEY_HASH.fullmatch(key):
            raise ConfigError(
                f"{origin}: server.api_keys[{position}] is a plain key; files hold only hashes. "
                f'Write "{hash_key(key)}" instead (clients keep using the plain key)',
                param="server.api_keys",
            )


def _key_lines(text: str) -> dict[str, int]:
    """Line numbers of sections and keys; multi-line strings are skipped."""
    lines: dict[str, int] = {}
    section = ""
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if line.count(inside) % 2 else inside
            continue
        if header := _HEADER.match(line):
            section = header[1].replace(" ", "")
            lines.setdefault(section.split(".")[0], number)
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            dotted = f"{section}.{key[1]}" if section else key[1]
            lines.setdefault(dotted, number)
            lines.setdefault(dotted.split(".")[0], number)
            inside = next((quote for quote in ('"""', "'''") if line.count(quote) % 2), "")
    return lines


def _from_env(env: Mapping[str, str]) -> dict[str, _Value]:
    """VOICEBRIDGE_<SECTION>__<KEY>. Names without the double underscore belong to others (Kubernetes sets some)."""
    found: dict[str, _Value] = {}
    for name, value in env.items():
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        section, key = name.removeprefix(ENV_PREFIX).lower().split("__", 1)
        if section not in sections():
            hint = _did_you_mean(section, sections())
            raise ConfigError(f"{name}: there is no section {section!r}{hint}", param=name)
        _check_known(section, key, name)
        found[f"{section}.{key}"] = _Value(value, name)
    if env.get(ENV_API_KEY):
        found["server.api_keys"] = _Value(env[ENV_API_KEY], ENV_API_KEY)
    return found


def check_key(dotted: str, origin: str) -> None:
    """Raise `ConfigError` unless `dotted` is `section.key` of a setting."""
    section, _, key = dotted.partition(".")
    if section not in sections():
        raise ConfigError(
            f"{origin}: there is no section {section!r}{_did_you_mean(section, sections())}", param=dotted
        )
    _check_known(section, key, origin)


def _check_known(section: str, key: str, origin: str) -> None:
    fields = sections()[section].model_fields
    if key not in fields:
        dotted = f"{section}.{key}"
        raise ConfigError(f"{origin}: there is no setting {dotted}{_did_you_mean(key, fields)}", param=dotted)


def _did_you_mean(wrong: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(wrong, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def _build(values: Mapping[str, _Value]) -> Settings:
    tree: dict[str, dict[str, Any]] = {}
    for dotted, entry in values.items():
        section, key = dotted.split(".", 1)
        tree.setdefault(section, {})[key] = entry.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, values) from error
    except ConfigError as error:
        entry_origin = values.get(error.param or "")
        if entry_origin is None:
            raise
        raise ConfigError(f"{entry_origin.origin}: {error.message}", param=error.param) from error


def _explain(error: ValidationError, values: Mapping[str, _Value]) -> ConfigError:
    """The first problem, in words; pydantic's own list would show values that may be secret."""
    problem = error.errors(include_url=False, include_context=False)[0]
    dotted = ".".join(str(part) for part in problem["loc"][:2])
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    entry = values.get(dotted)
    if entry is None:
        return ConfigError(f"{dotted}: {message}", param=dotted)
    shown = "the value" if dotted in _SECRET_KEYS else repr(entry.value)
    return ConfigError(f"{entry.origin}: {dotted} cannot be {shown}: {message}", param=dotted)


def _written(dotted: str, value: Any) -> str:
    if value is None:
        return "(not set)"
    if dotted == "server.api_keys":
        return "[" + ", ".join(f'"{key[:19]}…"' for key in value) + "]"
    if isinstance(value, SecretStr):
        return '"********"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' if isinstance(item, str) else str(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = "{target}"' for name, target in value.items()) + "}"
    return str(value)
