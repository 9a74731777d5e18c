"""The studio's web server: who may ask, and what becomes of questions and answers on their way.

The page is opened with a secret in its address, which becomes a cookie that other sites cannot send; what changes
something must also carry a second secret that only the page itself knows, and come from the page's own origin.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from augan.core.errors import AuganError, UserError
from augan.studio import look
from augan.studio.answers import Studio

PAGE = Path(__file__).parent / "page"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PICTURE_BYTES = 32_000_000
BODY_BYTES = 1_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

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
            response = _page(studio, request)  # a redirect would come without the cookie, from a link in a page
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
