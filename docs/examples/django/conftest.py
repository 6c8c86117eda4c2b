import os

import django
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()


@pytest.fixture(autouse=True)
def _the_flags_of_the_repository(flagctl_client, monkeypatch):
    monkeypatch.setattr("shop.flags.client", lambda: flagctl_client)


@pytest.fixture
def browser():
    from django.test import Client

    browser = Client()
    browser.cookies["customer"] = "user-1"
    return browser
