"""What browsers are told with every answer but the webhook door's."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, request

from relay.sync.parts import Parts


def prepare(app: Flask, parts: Parts, blueprints: Iterable[str]) -> None:
    """Onto these blueprints. Answers that belong to none (an address that does not exist) come from failures.py, which
    calls `app.extensions["secured"]` itself."""
    settings = parts.settings
    consent = urlsplit(settings.campaign_monitor_oauth_url)
    policy = "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data:",  # Bootstrap's own pictures
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            # A form of ours may lead on to Campaign Monitor's consent page.
            f"form-action 'self' {consent.scheme}://{consent.netloc}",
        )
    )
    said = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    }
    if settings.relay_base_url.startswith("https://"):
        said["Strict-Transport-Security"] = "max-age=31536000"

    def secured(response: Response) -> Response:
        response.headers.update(said)
        if request.blueprint == "oauth":  # comes back into a window of ours that was elsewhere: it must stay one window
            response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
        if not (request.endpoint or "").endswith("static"):
            response.headers.setdefault("Cache-Control", "no-store")  # people's data, on shared machines
        return response

    for name in blueprints:
        app.after_request_funcs.setdefault(name, []).append(secured)
    app.extensions["secured"] = secured
