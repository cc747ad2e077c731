"""A webhook door the plain way: verify, `queue.enqueue`, answer. Nothing is stored but what Redis holds."""

import os

from flask import Blueprint, Flask, Response, jsonify
from redis import Redis
from rq import Queue

from bench.peers.verify_only import verified

queue = Queue("peer", connection=Redis.from_url(os.environ["PEER_REDIS_URL"]))
blueprint = Blueprint("enqueue", __name__, url_prefix="/webhooks")


@blueprint.post("/ehq/<connection>")
def receive(connection: str) -> tuple[Response, int]:
    queue.enqueue("bench.peers.one_call_each.take", connection, verified())
    return jsonify(status="queued"), 202


app = Flask(__name__)
app.register_blueprint(blueprint)
