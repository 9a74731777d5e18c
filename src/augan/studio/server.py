"""The studio's web server: what the page asks, answered by the functions beside it.

Who may ask: the page is opened with a secret in its address, which becomes a cookie that other sites cannot send; what
changes something must also carry a second secret that only the page itself knows, and come from the page's own origin.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from augan.core.errors import AuganError, UserError
from augan.recipes import RECIPES
from augan.studio import explore, look
from augan.studio.curate import Curation, export_curated
from augan.studio.jobs import FOLDER, JobBoard
from augan.studio.uploads import Uploads
from augan.studio.workspace import ARCHIVES, Workspace, file_name
from augan.translate import RECIPES as TRANSLATIONS

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
CURATED = "curated"
SAFE_NAME = frozenset(string.ascii_letters + string.digits + ".-_")
PICTURE_BYTES = 32_000_000
BODY_BYTES = 1_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Reports are pages that need no other file: they can show themselves, and reach nothing."""
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Studio:
    """All that the answers need.

    Attributes:
        key: the secret in the address of the page; token: the one that the page alone knows.
    """

    workspace: Workspace
    upload_limit_bytes: int = 2_000_000_000
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self.board = JobBoard(self.workspace)
        self.models = explore.Models()
        self.uploads = Uploads(self.workspace, self.upload_limit_bytes)

    def close(self) -> list[str]:
        """Pauses what it has started, removes half uploads; returns the names of what was paused."""
        self.uploads.close()
        return self.board.close()

    # ------------------------------------------------------------------ looking

    def runs(self, query: dict[str, Any]) -> Any:
        """Cards of all runs and of what is starting."""
        cards = [look.run_card(self.workspace, self.board, run) for run in self.workspace.find()]
        waiting = [look.waiting_card(self.board, name) for name in self.board.waiting()]
        return {"runs": [*waiting, *cards], "folder": self.workspace.shown(self.workspace.runs)}

    def run(self, query: dict[str, Any]) -> Any:
        """One run in full."""
        return look.run_page(self.workspace, self.board, self._run(query))

    def choices(self, query: dict[str, Any]) -> Any:
        """What the form for a new run offers."""
        return {
            "workspace": str(self.workspace.root),
            "data": self.workspace.data(),
            "recipes": list(RECIPES),
            "translations": list(TRANSLATIONS),
            "upload_limit_bytes": self.uploads.limit_bytes,
            "archives": ARCHIVES,
        }

    def sheet(self, query: dict[str, Any]) -> Response:
        """A sheet of samples."""
        path = look.sheet_path(self._run(query), _text(query, "name"))
        return Response(path.read_bytes(), media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    def report(self, query: dict[str, Any]) -> Response:
        """A report, which can do nothing but show itself."""
        path = look.report_path(self._run(query), _text(query, "name"))
        return Response(path.read_bytes(), media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})

    # ------------------------------------------------------------------ training

    def train(self, wish: dict[str, Any]) -> Any:
        """Starts a training."""
        return {"run": self.board.start(wish)}

    def halt(self, wish: dict[str, Any]) -> Any:
        """Pauses or stops one."""
        self.board.halt(_text(wish, "run"), "paused" if wish.get("pause") else "stopped")
        return {}

    def resume(self, wish: dict[str, Any]) -> Any:
        """Goes on with one, if wanted for so many minutes more."""
        minutes = wish.get("minutes")
        self.board.resume(_text(wish, "run"), None if minutes is None else _number(wish, "minutes", 5))
        return {}

    def forget(self, wish: dict[str, Any]) -> Any:
        """Forgets one that failed."""
        self.board.forget(_text(wish, "run"))
        return {}

    # ------------------------------------------------------------------ images

    def samples(self, query: dict[str, Any]) -> Any:
        """A page of samples."""
        with self.models.lock:
            model = self._gan(query)
            label = query.get("class")
            images = explore.samples(
                model,
                int(_number(query, "count", 24)),
                [label] if label else None,
                int(_number(query, "seed", 0)),
                _number(query, "truncation", 1),
                int(_number(query, "first", 0)),
            )
            axes = explore.axes(model, self._run(query))
            return {"images": images, "axes": [{"name": axis.name, "found": axis.found} for axis in axes]}

    def moved(self, query: dict[str, Any]) -> Any:
        """One sample, moved."""
        with self.models.lock:
            image = explore.moved(
                self._gan(query),
                seed=int(_number(query, "seed", 0)),
                index=int(_number(query, "index", 0)),
                label=query.get("class") or None,
                truncation=_number(query, "truncation", 1),
                offsets=[_finite(value) for value in query.get("offsets", "").split(",") if value],
                toward=None if query.get("toward") in (None, "") else int(_number(query, "toward", 0)),
                share=_number(query, "share", 0),
                run=self._run(query),
            )
            return {"image": image}

    def walk(self, query: dict[str, Any]) -> Response:
        """An interpolation."""
        for name in ("points", "truncation", "seed"):
            _number(query, name, 1)
        with self.models.lock:
            content, kind = explore.walk(self._gan(query), query)
        return Response(content, media_type=kind)

    def translate(self, query: dict[str, Any], body: bytes) -> Response:
        """A picture, translated."""
        with self.models.lock:
            model = self.models.translation(self._run(query))
            made = explore.translated(model, body, query.get("direction") or None)
        return Response(made, media_type="image/png")

    # ------------------------------------------------------------------ curating

    def curation(self, query: dict[str, Any]) -> Any:
        """What was decided."""
        return self._shown(self._curation(query))

    def decide(self, wish: dict[str, Any]) -> Any:
        """Takes decisions."""
        changes = wish.get("changes")
        if not isinstance(changes, dict) or not all(str(key).isdecimal() for key in changes):
            raise UserError("Decisions are expected as numbers of images and words.")
        curation = self._curation(wish)
        curation.decide(str(wish.get("class") or ""), {int(index): word for index, word in changes.items()})
        return self._shown(curation)

    def export(self, wish: dict[str, Any]) -> Any:
        """Writes what was accepted."""
        out = self.workspace.root / CURATED / file_name(_text(wish, "name"), "set")
        curation = self._curation(wish)
        with self.models.lock:
            manifest = export_curated(curation, out)
        return {"out": self.workspace.shown(out), "count": len(manifest["items"]), "zip": out.suffix == ".zip"}

    def download(self, query: dict[str, Any]) -> Response:
        """A .zip that was exported."""
        name = file_name(_text(query, "name"), "set")
        path = self.workspace.inside(f"{CURATED}/{name}")
        if path.suffix != ".zip" or not path.is_file():
            raise UserError(f"There is no archive '{name}' in {CURATED}.")
        quoted = "".join(symbol if symbol in SAFE_NAME else "_" for symbol in name)
        return Response(
            path.read_bytes(),
            media_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{quoted}"'},
        )

    def _curation(self, query: dict[str, Any]) -> Curation:
        model = self._gan(query)
        folder = self.workspace.runs / FOLDER
        return Curation(
            folder,
            model,
            self.workspace.name(self._run(query)),
            int(_number(query, "seed", 0)),
            _number(query, "truncation", 1),
        )

    @staticmethod
    def _shown(curation: Curation) -> Any:
        return {"classes": curation.classes, "decisions": curation.decisions, "counts": curation.counts()}

    # ------------------------------------------------------------------ uploads

    def begin(self, wish: dict[str, Any]) -> Any:
        """Begins an upload."""
        files, size = int(_number(wish, "files", 0)), int(_number(wish, "bytes", 0))
        return {"upload": self.uploads.begin(_text(wish, "name"), files, size)}

    def end(self, wish: dict[str, Any]) -> Any:
        """Ends an upload."""
        return {"data": self.uploads.end(_text(wish, "upload"))}

    def _run(self, query: dict[str, Any]) -> Any:
        return self.workspace.run(_text(query, "run"))

    def _gan(self, query: dict[str, Any]) -> Any:
        return self.models.gan(self._run(query), query.get("checkpoint") or "best")


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise UserError(f"'{name}' is missing.")
    return value


def _number(values: dict[str, Any], name: str, default: float) -> float:
    value = values.get(name)
    return default if value in (None, "") else _finite(value, name)


def _finite(value: Any, name: str = "value") -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} '{value}' is not a number.") from error
    if not -1e12 < number < 1e12:
        raise UserError(f"{name} {value} is out of range.")
    return number


# ---------------------------------------------------------------------- HTTP

Answer = Callable[..., Any]


def make_app(studio: Studio) -> ASGIApp:
    """The web application of a studio."""
    looking: dict[str, Answer] = {
        "runs": studio.runs,
        "run": studio.run,
        "choices": studio.choices,
        "sheet": studio.sheet,
        "report": studio.report,
        "samples": studio.samples,
        "moved": studio.moved,
        "walk": studio.walk,
        "curation": studio.curation,
        "download": studio.download,
    }
    changing: dict[str, Answer] = {
        "train": studio.train,
        "halt": studio.halt,
        "resume": studio.resume,
        "forget": studio.forget,
        "decide": studio.decide,
        "export": studio.export,
        "upload/begin": studio.begin,
        "upload/end": studio.end,
    }
    routes = [
        Route("/", partial(_page, studio)),
        Route("/page/{name}", _static),
        *(Route(f"/api/{name}", _asked(answer)) for name, answer in looking.items()),
        *(Route(f"/api/{name}", _told(answer), methods=["POST"]) for name, answer in changing.items()),
        Route("/api/translate", _shown_a_picture(studio.translate), methods=["POST"]),
        Route("/api/upload/file", partial(_upload, studio), methods=["PUT"]),
    ]
    return Gate(Starlette(routes=routes), studio)


class Gate:
    """Lets in who has the secrets, and puts the same headers on every answer."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self.app, self.studio = app, studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        refused = self._refused(request)

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name.decode().lower() for name, _ in message["headers"]}
                more = {**SAFE, "Content-Security-Policy": POLICY}
                message["headers"] += [
                    (name.encode(), value.encode()) for name, value in more.items() if name.lower() not in names
                ]
            await send(message)

        await (refused or self.app)(scope, receive, sending)

    def _refused(self, request: Request) -> Response | None:
        """Why a request is not answered, if it is not."""
        studio, given = self.studio, request.query_params.get("key")
        cookie = f"augan-studio-{request.url.port or 80}"
        if request.url.path == "/" and given is not None and _same(given, studio.key):
            response = RedirectResponse("/", 303)
            response.set_cookie(cookie, studio.key, httponly=True, samesite="strict", path="/")
            return response
        if not _same(request.cookies.get(cookie, ""), studio.key):
            return PlainTextResponse("Open the address that `augan studio` printed: it holds the key.\n", 403)
        if request.method in ("GET", "HEAD"):
            return None
        if not _same(request.headers.get("x-augan-token", ""), studio.token) or not _own_origin(request.headers):
            return PlainTextResponse("This request did not come from the studio's page.\n", 403)
        return None


def _same(a: str, b: str) -> bool:
    return secrets.compare_digest(a.encode(), b.encode())


def _own_origin(headers: Headers) -> bool:
    """Whether the browser says that a request comes from the page itself; other programs say nothing."""
    origin = headers.get("origin")
    own = origin is None or urlsplit(origin).netloc == headers.get("host")
    return own and headers.get("sec-fetch-site", "same-origin") == "same-origin"


def _page(studio: Studio, request: Request) -> Response:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(text.replace("{{token}}", studio.token))


def _static(request: Request) -> Response:
    path = PAGE / request.path_params["name"]
    if path.parent != PAGE or path.suffix not in KINDS or not path.is_file():
        return PlainTextResponse("There is no such file.\n", 404)
    return Response(path.read_bytes(), media_type=KINDS[path.suffix])


async def _answer(work: Callable[[], Any]) -> Response:
    """Runs blocking work in a thread; a user's mistake becomes one line."""
    try:
        found = await anyio.to_thread.run_sync(work)
    except AuganError as error:
        return _error(str(error), 400 if isinstance(error, UserError) else 500)
    return found if isinstance(found, Response) else Response(look.as_json(found), media_type="application/json")


def _error(text: str, status: int) -> Response:
    return Response(json.dumps({"error": text}), status, media_type="application/json")


def _asked(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await _answer(lambda: answer(dict(request.query_params)))

    return endpoint


def _told(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await _body(request, BODY_BYTES)
        try:
            wish = None if body is None else json.loads(body)
        except ValueError:
            wish = None
        if not isinstance(wish, dict):
            return _error("A JSON object of less than a megabyte is expected.", 400)
        return await _answer(lambda: answer(wish))

    return endpoint


def _shown_a_picture(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await _body(request, PICTURE_BYTES)
        if body is None:
            return _error(f"A picture of at most {PICTURE_BYTES // 1_000_000} MB can be translated here.", 413)
        return await _answer(lambda: answer(dict(request.query_params), body))

    return endpoint


async def _body(request: Request, most: int) -> bytes | None:
    """The body, or None where it is longer than `most` bytes: it is not read on then."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            return None
    return bytes(content)


async def _upload(studio: Studio, request: Request) -> Response:
    key, name = request.query_params.get("upload", ""), request.query_params.get("name", "")

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk

    try:
        size = await studio.uploads.take(key, name, chunks())
    except UserError as error:
        await anyio.to_thread.run_sync(studio.uploads.forget, key)
        return _error(str(error), 400)
    return Response(json.dumps({"bytes": size}), media_type="application/json")
