"""The page at `/`: files as they lie here, no build step, no request to anyone else."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FILES = Path(__file__).resolve().parent

POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Nothing from elsewhere is loaded. Charts position their tooltips with inline styles."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Assets(StaticFiles):
    """The page's files; Python's own among them are not served."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the page's headers."""
        if path.endswith((".py", ".pyc", ".toml")):
            return Response(status_code=404)
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Serve the page at `/` and its files under `/assets`."""

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        return FileResponse(FILES / "index.html", headers=HEADERS)

    app.mount("/assets", Assets(directory=FILES), name="assets")
