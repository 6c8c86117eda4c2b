"""What a server loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()

from shop.flags import client  # noqa: E402 - settings come first

client()  # now, so that the first visitor does not wait; children of a --preload inherit it
