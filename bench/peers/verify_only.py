"""A webhook door that verifies and answers, and nothing else: what the stack costs before anything is done.

It does less than the relay's: no look-up of the connection, no reading of the JSON, one secret, one profile.
"""

import base64
import hashlib
import hmac
import os
import time

from flask import Blueprint, Flask, Response, abort, jsonify, request

SECRET = base64.b64decode(os.environ["PEER_SECRET"].removeprefix("whsec_"))
blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


def verified() -> bytes:
    """The body of a genuine request (Standard Webhooks); 401 ends any other."""
    body, headers = request.get_data(cache=False), request.headers
    identity, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    if abs(time.time() - int(at)) > 300:
        abort(401)
    signature = hmac.digest(SECRET, b"%s.%s.%s" % (identity.encode(), at.encode(), body), hashlib.sha256)
    given = headers.get("webhook-signature", "").removeprefix("v1,")
    if not hmac.compare_digest(base64.b64encode(signature), given.encode()):
        abort(401)
    return body


@blueprint.post("/ehq/<connection>")
def receive(connection: str) -> tuple[Response, int]:
    verified()
    return jsonify(status="verified"), 202


app = Flask(__name__)
app.register_blueprint(blueprint)
