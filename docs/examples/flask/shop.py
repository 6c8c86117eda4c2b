"""A shop with flags. Run it: gunicorn --preload "shop:create_app()" """

import atexit
import os
from typing import Any

from flask import Blueprint, Flask, current_app, g, render_template_string, request

import flagctl

pages = Blueprint("pages", __name__)

BASKET = """<h1>Basket</h1>
{% if flag("recommendations") %}<p>You may also like socks.</p>{% endif %}
<p>Sorted by {{ flag("search-ranking", "v1") }}</p>
"""


def open_client() -> flagctl.Client:
    """Return the client of this process, and of those it forks."""
    client = flagctl.Client(
        os.environ["FLAGS_URL"], environment=os.environ["FLAGS_ENVIRONMENT"], trust=os.environ["FLAGS_TRUST"]
    )
    atexit.register(client.close)
    client.wait_until_ready(timeout=5)
    return client


def create_app(client: flagctl.Client | None = None) -> Flask:
    """Return the application; tests give it a client of their own."""
    app = Flask(__name__)
    app.extensions["flagctl"] = client or open_client()
    app.register_blueprint(pages)
    app.before_request(find_context)
    app.context_processor(lambda: {"flag": flag})
    return app


def find_context() -> None:
    """Put together whom a request is from, once."""
    g.flag_context = {
        "targeting_key": request.cookies.get("customer"),
        "country": request.headers.get("X-Country", "DE"),
        "platform": "web",
    }


def flags() -> flagctl.Client:
    client: flagctl.Client = current_app.extensions["flagctl"]
    return client


def flag(key: str, default: Any = False) -> Any:
    """Return a flag's value for the request that is served, in views and in templates."""
    return flags().get_value(key, g.flag_context, default)


@pages.get("/basket")
def basket() -> str:
    return render_template_string(BASKET)


@pages.post("/orders")
def order() -> tuple[dict[str, Any], int]:
    flags().track_conversion(None, g.flag_context, 49.9, metric="order")
    return {"total": 49.9}, 201


@pages.get("/flags")
def all_flags() -> dict[str, Any]:
    """Everything at once, for a browser. This exposes nobody to an experiment."""
    values = flags().evaluate_all(g.flag_context)
    return {key: values[key] for key in ("recommendations", "search-ranking")}


@pages.get("/readyz")
def ready() -> tuple[dict[str, Any], int]:
    status = flags().status()
    return {"flags": status.state, "bundle": status.bundle_sha256}, 503 if status.state == "not-ready" else 200
