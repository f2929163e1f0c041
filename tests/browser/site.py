"""The origin of the test pages: their files, and the keys that a page's own server gets for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

SERVICE = b"https://api.openai.com/v1"
"""What pages have in place of the server's base URL; replaced in HTML only."""

KEYS: dict[str, tuple[str, dict[str, Any]]] = {
    "/session": (
        "realtime/sessions",
        {
            "model": "gpt-4o-realtime-preview-2024-12-17",
            "voice": "verse",
            "input_audio_transcription": {"model": "whisper-1"},
        },
    ),
    "/token": (
        "realtime/client_secrets",
        {
            "session": {
                "type": "realtime",
                "model": "gpt-realtime",
                "audio": {
                    "input": {"transcription": {"model": "gpt-4o-mini-transcribe"}},
                    "output": {"voice": "marin"},
                },
            }
        },
    ),
}


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, api: str, api_key: str, *given: Any, directory: Path) -> None:
        self._api, self._api_key = api, api_key
        super().__init__(*given, directory=str(directory))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in KEYS:
            self._mint(*KEYS[path])
        elif path.endswith(".html"):
            page = Path(self.translate_path(path)).read_bytes().replace(SERVICE, self._api.encode())
            self._answer(200, "text/html; charset=utf-8", page)
        else:
            super().do_GET()

    def _mint(self, route: str, wanted: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self._api_key}"}
        made = httpx.post(f"{self._api}/{route}", json=wanted, headers=headers, trust_env=False)
        self._answer(made.status_code, "application/json", json.dumps(made.json()).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        pass


@contextmanager
def site(api: str, api_key: str, pages: Path) -> Iterator[str]:
    """Serve the pages for one voicebridge server; yields their address, another origin than the server's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, api, api_key, directory=pages)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="pages")
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
