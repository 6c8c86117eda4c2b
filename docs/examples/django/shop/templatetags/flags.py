"""`{% load flags %}` and `{% flag "key" %}` or `{% flag "key" default as name %}` in templates."""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def flag(context: template.Context, key: str, default: Any = False) -> Any:
    """Return a flag's value for the request that is served."""
    return context["request"].flags.get_value(key, default)
