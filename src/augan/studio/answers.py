"""What the page asks and what it is answered, in plain values; HTTP is next door."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from augan.core.errors import UserError
from augan.recipes import RECIPES
from augan.studio import explore, look
from augan.studio.curate import Curation, export_curated
from augan.studio.jobs import FOLDER, JobBoard
from augan.studio.uploads import Uploads
from augan.studio.workspace import ARCHIVES, Workspace, file_name
from augan.translate import RECIPES as TRANSLATIONS

CURATED = "curated"
SAFE_NAME = frozenset(string.ascii_letters + string.digits + ".-_")
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Reports are pages that need no other file: they can show themselves, and reach nothing."""


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
