from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from voicebridge.config import fingerprint, hash_key
from voicebridge.server.console import TOKEN_TTL_S, WEB_DIRECTORIES, KeylessAccess, console_routes
from voicebridge.server.problems import exception_handlers
from voicebridge.server.tokens import TokenSigner

HERE = "http://127.0.0.1:8765"
NOW = 1_000_000.0
SIGNER = TokenSigner("s" * 32)
KEYS = [hash_key("sk-first"), hash_key("sk-second")]
WEB = next(path for path in WEB_DIRECTORIES if path.is_dir())


def client(
    *,
    bound: str = "127.0.0.1",
    peer: str = "127.0.0.1",
    at: str = HERE,
    keys: list[str] | None = None,
    web: Path | None = None,
) -> httpx.AsyncClient:
    access = KeylessAccess(SIGNER, KEYS if keys is None else keys, bound, lambda: NOW)
    app = Starlette(routes=console_routes(access, web=web), exception_handlers=exception_handlers())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 50_000)), base_url=at)


async def asked(http: httpx.AsyncClient, headers: Mapping[str, str]) -> httpx.Response:
    async with http:
        return await http.post("/console/token", headers=headers)


@pytest.mark.parametrize("at", [HERE, "http://localhost:8765", "http://[::1]:8765", "https://localhost:8766"])
async def test_a_page_on_this_machine_gets_a_short_lived_key(at: str) -> None:
    answer = await asked(client(at=at), {"origin": at})
    assert answer.status_code == 200
    grant = SIGNER.verify(answer.json()["value"], NOW)
    assert (grant.kind, grant.minted_in, grant.issuer) == ("realtime", "ga", fingerprint(KEYS[0]))
    assert answer.json()["expires_at"] == grant.expires_at == NOW + TOKEN_TTL_S
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "http://localhost:8765"},
        {"origin": HERE, "sec-fetch-site": "cross-site"},
        {"origin": HERE, "sec-fetch-site": "same-site"},
    ],
)
async def test_other_pages_get_no_key(headers: dict[str, str]) -> None:
    answer = await asked(client(), headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "console_key_required")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8765",
        "localhost.evil.example:8765",
        "127.0.0.1.evil.example",
        "user@127.0.0.1:8765",
        "127.0.0.1:8765/path",
        "[::1",
        "10.0.0.7:8765",
        "",
    ],
)
async def test_a_name_made_to_resolve_to_this_machine_gets_no_key(host: str) -> None:
    answer = await asked(client(), {"host": host, "origin": f"http://{host}"})
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"])
async def test_what_a_proxy_hands_on_gets_no_key(name: str) -> None:
    answer = await asked(client(), {"origin": HERE, name: "127.0.0.1"})
    assert answer.status_code == 403


async def test_a_proxy_that_speaks_an_older_http_gets_no_key() -> None:
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": [(b"host", b"127.0.0.1:8765")]}
    access = KeylessAccess(SIGNER, KEYS, "127.0.0.1", lambda: NOW)
    assert access.refusal(Request({**scope, "http_version": "1.1"})) is None
    assert access.refusal(Request({**scope, "http_version": "1.0"})) is not None


@pytest.mark.parametrize(
    ("bound", "peer"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "10.0.0.7")],  # noqa: S104  a word here
)
async def test_a_server_others_can_reach_gives_no_key(bound: str, peer: str) -> None:
    async with client(bound=bound, peer=peer) as http:
        assert (await http.get("/console/access")).json() == {"key_required": True}
        assert (await http.post("/console/token", headers={"origin": HERE})).status_code == 403


async def test_without_any_api_key_there_is_nobody_to_ask_for_one() -> None:
    answer = await asked(client(keys=[]), {"origin": HERE})
    assert answer.status_code == 403


async def test_the_page_is_told_that_it_needs_no_key() -> None:
    async with client() as http:
        answer = await http.get("/console/access")
    assert answer.json() == {"key_required": False}
    assert answer.headers["cache-control"] == "no-store"


async def test_the_page_may_reach_its_own_server_only() -> None:
    async with client() as http:
        answer = await http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.findall(r"""(?:src|href)=["'](?:[a-z]+:)?//""", answer.text)
    assert not re.findall(r"<script(?![^>]* src=)|\bon[a-z]+=|\bstyle=", answer.text), "the policy would forbid it"


@pytest.mark.parametrize("file", sorted(path.name for path in WEB.iterdir() if path.is_file()))
async def test_every_file_of_the_page_is_served_with_its_type(file: str) -> None:
    types = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    async with client() as http:
        answer = await http.get("/" if file == "index.html" else f"/{file}")
    assert answer.status_code == 200
    assert answer.content == (WEB / file).read_bytes()
    assert answer.headers["content-type"].split(";")[0] == types[Path(file).suffix]


async def test_everything_the_page_asks_for_is_there() -> None:
    async with client() as http:
        page = (await http.get("/")).text
        wanted = set(re.findall(r"""(?:src|href)="\.?/?([\w.-]+)\"""", page))
        for script in WEB.glob("*.js"):
            wanted |= set(re.findall(r"""["']\./([\w.-]+\.(?:js|css|svg))["']""", script.read_text(encoding="utf-8")))
        assert "app.js" in wanted
        for file in wanted:
            assert (await http.get(f"/{file}")).status_code == 200, file


async def test_a_page_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("first", encoding="utf-8")
    async with client(web=tmp_path) as http:
        first = await http.get("/")
        assert first.headers["cache-control"] == "no-cache"
        same = await http.get("/", headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
        (tmp_path / "index.html").write_text("second", encoding="utf-8")
        changed = await http.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert (changed.status_code, changed.text) == (200, "second")


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/..%2fpyproject.toml",
        "/app.js/../../pyproject.toml",
        "/secret.txt",
        "/.hidden.js",
        "/inner/page.html",
        "/index.html%00.js",
        "//etc/passwd",
    ],
)
async def test_nothing_but_the_page_is_served(tmp_path: Path, path: str) -> None:
    web = tmp_path / "web"
    (web / "inner").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("confidential", encoding="utf-8")
    (web / "secret.txt").write_text("confidential", encoding="utf-8")
    (web / ".hidden.js").write_text("confidential", encoding="utf-8")
    (web / "inner" / "page.html").write_text("confidential", encoding="utf-8")
    (web / "app.js").write_text("public", encoding="utf-8")
    async with client(web=web) as http:
        assert (await http.get("/app.js")).text == "public"
        answer = await http.get(httpx.URL(f"{HERE}{path}"))
    assert answer.status_code == 404
    assert "confidential" not in answer.text
