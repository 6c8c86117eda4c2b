"""A shop's API with flags. Run it: uvicorn --factory shop:create_app"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

import flagctl

router = APIRouter()


def open_client() -> flagctl.Client:
    """Return the client of this process."""
    return flagctl.Client(
        os.environ["FLAGS_URL"], environment=os.environ["FLAGS_ENVIRONMENT"], trust=os.environ["FLAGS_TRUST"]
    )


def create_app(client: flagctl.Client | None = None) -> FastAPI:
    """Return the application; tests give it a client of their own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.client = client or open_client()
        await app.state.client.ready(timeout=5)
        yield
        if client is None:
            app.state.client.close()

    app = FastAPI(lifespan=lifespan)
    app.include_router(router)
    return app


@dataclass
class RequestFlags:
    """The flags for whom a request is from; the context is put together once."""

    client: flagctl.Client
    context: dict[str, Any]

    def is_enabled(self, key: str) -> bool:
        return self.client.is_enabled(key, self.context)

    def get_value(self, key: str, default: Any) -> Any:
        return self.client.get_value(key, self.context, default)


def flags_of(request: Request) -> RequestFlags:
    context = {
        "targeting_key": request.cookies.get("customer"),
        "country": request.headers.get("x-country", "DE"),
        "platform": "web",
    }
    return RequestFlags(request.app.state.client, context)


Flags = Annotated[RequestFlags, Depends(flags_of)]


@router.get("/basket")
async def basket(flags: Flags) -> dict[str, Any]:
    return {
        "recommendations": ["socks"] if flags.is_enabled("recommendations") else [],
        "ranking": flags.get_value("search-ranking", "v1"),
    }


@router.post("/orders", status_code=201)
async def order(flags: Flags) -> dict[str, Any]:
    flags.client.track_conversion(None, flags.context, 49.9, metric="order")
    return {"total": 49.9}


@router.get("/flags")
async def all_flags(flags: Flags) -> dict[str, Any]:
    """Everything at once, for a browser. This exposes nobody to an experiment."""
    values = flags.client.evaluate_all(flags.context)
    return {key: values[key] for key in ("recommendations", "search-ranking")}


@router.get("/readyz")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    status = request.app.state.client.status()
    if status.state == "not-ready":
        response.status_code = 503
    return {"flags": status.state, "bundle": status.bundle_sha256}
