"""Who is answered: keys, tokens, origins, limits, and the headers of every answer; and the command that serves."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import augan
from augan.studio import Workspace

uvicorn = pytest.importorskip("uvicorn", reason="the studio's server needs the extra 'studio'")
pytest.importorskip("starlette", reason="the studio's server needs the extra 'studio'")

from augan.studio.answers import Studio  # noqa: E402
from augan.studio.serve import _listening  # noqa: E402
from augan.studio.server import make_app  # noqa: E402


class Site:
    """A studio that serves, and a client with its secrets."""

    def __init__(self, studio: Studio, port: int) -> None:
        self.studio, self.port = studio, port

    def ask(
        self, path: str, body: Any = None, method: str | None = None, **headers: str | None
    ) -> tuple[int, bytes, dict[str, str]]:
        own: dict[str, str | None] = {"Cookie": f"augan-studio-{self.port}={self.studio.key}"}
        if body is not None:
            own["X-Augan-Token"] = self.studio.token
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        kept = {name: value for name, value in own.items() if value is not None}
        connection.request(method or ("GET" if body is None else "POST"), path, body, kept)
        answer = connection.getresponse()
        found = (answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
        connection.close()
        return found

    def refused(self, path: str, body: Any = None, **headers: str) -> str:
        status, text, _ = self.ask(path, body, **headers)
        assert status == 400
        return str(json.loads(text)["error"])


@pytest.fixture(scope="module")
def site(tiny_run: augan.Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("workspace")
    (root / "runs").mkdir()
    import shutil

    shutil.copytree(tiny_run.path, root / "runs" / "tiny")
    studio = Studio(Workspace(root / "runs", root), upload_limit_bytes=1000)
    with _listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(studio), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Site(studio, listener.getsockname()[1])
        server.should_exit = True
        thread.join()
    studio.close()


def test_the_key_opens_the_page(site: Site) -> None:
    status, text, headers = site.ask(f"/?key={site.studio.key}", Cookie=None)
    assert status == 200
    assert site.studio.token in text.decode()
    assert "HttpOnly" in headers["set-cookie"]
    assert "samesite=strict" in headers["set-cookie"].lower()


@pytest.mark.parametrize("path", ["/", "/?key=", "/?key=wrong", "/api/runs", "/page/main.js", "/api/sheet?run=tiny"])
def test_without_the_key_nothing_is_answered(site: Site, path: str) -> None:
    status, text, headers = site.ask(path, Cookie=None)
    assert status == 403
    assert site.studio.token not in text.decode()
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Augan_Token": None},
        {"X_Augan_Token": "wrong"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Cookie": None},
    ],
)
def test_requests_of_other_sites_change_nothing(site: Site, headers: dict[str, Any]) -> None:
    wish = {"run": "tiny", "class": "low", "seed": 77, "changes": {"0": "accept"}}
    assert site.ask("/api/decide", wish, **headers)[0] == 403
    counts = json.loads(site.ask("/api/curation?run=tiny&seed=77")[1])["counts"]
    assert counts["low"]["accept"] == 0
    own = {"Origin": f"http://127.0.0.1:{site.port}", "Sec_Fetch_Site": "same-origin"}
    assert site.ask("/api/decide", {**wish, "seed": 78}, **own)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/sheet?run=tiny&name=../config.json",
        "/api/sheet?run=../tiny&name=x",
        "/api/run?run=../..",
        "/api/report?run=tiny&name=../../../etc/passwd",
        "/api/download?name=../runs/tiny/config.json",
        "/api/download?name=x.zip",
        "/api/samples?run=tiny&count=100000",
        "/api/samples?run=tiny&truncation=nan",
        "/api/moved?run=tiny&offsets=a",
        "/api/walk?run=tiny&points=9999",
        "/api/walk?run=tiny&form=exe",
        "/api/samples",
    ],
)
def test_ways_out_and_wrong_numbers_are_one_line(site: Site, path: str) -> None:
    assert "\n" not in site.refused(path)


@pytest.mark.parametrize("path", ["/page/..%2fserver.py", "/page/../server.py", "/page/x.js", "/page/index.html", "/x"])
def test_only_the_pages_own_files_are_given(site: Site, path: str) -> None:
    assert site.ask(path)[0] == 404


def test_every_answer_says_what_browsers_may_do(site: Site) -> None:
    for path in ("/", "/api/runs", "/page/studio.css"):
        status, _, headers = site.ask(path)
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"
        assert "connect-src 'self'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    (site.studio.workspace.runs / "tiny" / "report.html").write_text("<title>Report</title><h1>Here</h1>")
    status, _, headers = site.ask("/api/report?run=tiny&name=report.html")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/html")
    assert headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")


def test_the_page_asks_nobody_else() -> None:
    page = Path(sys.modules["augan.studio"].__file__ or "").parent / "page"
    texts = {path.name: path.read_text(encoding="utf-8") for path in page.iterdir()}
    outside = [
        name
        for name, text in texts.items()
        if re.search(r"https?:|[\"'(`]//", text.replace("http://www.w3.org/2000/svg", ""))
    ]
    assert outside == []


# ---------------------------------------------------------------------- uploads


def begin(site: Site, name: str, files: int = 2, size: int = 100) -> str:
    status, text, _ = site.ask("/api/upload/begin", {"name": name, "files": files, "bytes": size})
    assert status == 200, text
    return str(json.loads(text)["upload"])


def put(site: Site, key: str, name: str, content: bytes) -> tuple[int, bytes]:
    from urllib.parse import quote

    return site.ask(f"/api/upload/file?upload={key}&name={quote(name)}", content, method="PUT")[:2]


def test_an_upload_becomes_data(site: Site) -> None:
    key = begin(site, "cats")
    assert put(site, key, "a/1.png", b"x" * 40)[0] == 200
    assert put(site, key, "b/1.png", b"y" * 60)[0] == 200
    assert not (site.studio.workspace.root / "uploads" / "cats").exists()
    status, text, _ = site.ask("/api/upload/end", {"upload": key})
    assert (status, json.loads(text)["data"]) == (200, "uploads/cats")
    assert (site.studio.workspace.root / "uploads" / "cats" / "b" / "1.png").read_bytes() == b"y" * 60
    assert "exists already" in site.refused("/api/upload/begin", {"name": "cats", "files": 1, "bytes": 1})


def test_a_single_archive_is_the_data(site: Site) -> None:
    key = begin(site, "packed", files=1)
    assert put(site, key, "x.npz", b"x")[0] == 200
    assert json.loads(site.ask("/api/upload/end", {"upload": key})[1])["data"] == "uploads/packed/x.npz"


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("../../evil.png", 10, "cannot be the name"),
        ("evil.sh", 10, "neither a picture"),
        ("big.png", 101, "More bytes come"),
    ],
)
def test_an_upload_beyond_its_limits_leaves_nothing(site: Site, name: str, size: int, message: str) -> None:
    key = begin(site, "wrong")
    status, text = put(site, key, name, b"x" * size)
    assert status == 400
    assert message in json.loads(text)["error"]
    assert "no such upload" in site.refused("/api/upload/end", {"upload": key})
    assert [path.name for path in (site.studio.workspace.root / "uploads").iterdir() if "wrong" in path.name] == []


def test_too_large_an_upload_is_refused_at_once(site: Site) -> None:
    assert "--upload-limit" in site.refused("/api/upload/begin", {"name": "huge", "files": 1, "bytes": 1001})
    assert "between 1 and" in site.refused("/api/upload/begin", {"name": "none", "files": 0, "bytes": 0})


def test_bodies_have_limits(site: Site) -> None:
    assert site.ask("/api/train", b"x" * 1_100_000)[0] == 400
    assert site.ask("/api/train", b"[]")[0] == 400


# ---------------------------------------------------------------------- the command


def test_the_command_serves_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "augan", "studio", "runs", "--port", "0", "--no-browser"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        port, key = first.strip().rpartition("127.0.0.1:")[2].split("/?key=")
        deadline, status = time.monotonic() + 20, 0
        while status == 0 and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
            try:
                connection.request("GET", f"/?key={key}")
                status = connection.getresponse().status
            except ConnectionError:
                time.sleep(0.1)
            connection.close()
        assert status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()
    assert list(tmp_path.iterdir()) == []
