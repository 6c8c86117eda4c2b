"""The shop's pages."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path

from shop import flags


def basket(request: HttpRequest) -> HttpResponse:
    return render(request, "basket.html")


def order(request: HttpRequest) -> HttpResponse:
    flags.client().track_conversion(None, request.flags.context, 49.9, metric="order")  # type: ignore[attr-defined]
    return JsonResponse({"total": 49.9}, status=201)


def all_flags(request: HttpRequest) -> HttpResponse:
    """Everything at once, for a browser. This exposes nobody to an experiment."""
    values = flags.client().evaluate_all(request.flags.context)  # type: ignore[attr-defined]
    return JsonResponse({key: values[key] for key in ("recommendations", "search-ranking")})


def ready(_: HttpRequest) -> HttpResponse:
    status = flags.client().status()
    return JsonResponse(
        {"flags": status.state, "bundle": status.bundle_sha256}, status=503 if status.state == "not-ready" else 200
    )


urlpatterns = [path("basket", basket), path("orders", order), path("flags", all_flags), path("readyz", ready)]
