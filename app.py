"""The web process: `gunicorn app:app`."""

from relay.web import create_app

app = create_app()
