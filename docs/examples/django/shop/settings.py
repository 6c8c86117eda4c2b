"""As little as a project can do with."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "only for this machine")
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["shop.flags.middleware"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        # The tag asks the request.
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

FLAGS_URL = os.environ.get("FLAGS_URL")
FLAGS_ENVIRONMENT = os.environ.get("FLAGS_ENVIRONMENT", "production")
FLAGS_TRUST = os.environ.get("FLAGS_TRUST")
