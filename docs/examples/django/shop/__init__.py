"""A shop with flags. Run it: gunicorn --preload shop.wsgi"""
