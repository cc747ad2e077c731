"""How gunicorn serves the relay. It only reads the environment; GUNICORN_CMD_ARGS overrides what stands here."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "server.Worker"
threads = 8
# Without it one worker sometimes gets most of the connections, which costs half of the throughput.
reuse_port = True

timeout = 30  # a worker whose main loop has not stirred for so long is replaced
graceful_timeout = 10  # to finish requests in; platforms kill after 30
keepalive = (
    95  # longer than a router keeps an idle connection (90 s at Heroku), so that it never sends into a closed one
)

# Since version 25 gunicorn opens a control socket in the home folder, one path for every gunicorn of a user: two
# copies of the relay would fight over it. Nothing here uses it.
control_socket_disable = True

accesslog = None  # request lines carry query strings, which may hold an address
errorlog = "-"
loglevel = (os.environ.get("LOG_LEVEL") or "info").lower()

# Behind Heroku's router nobody else can reach a dyno, and the router's address changes: believe X-Forwarded-* from
# anyone. Elsewhere only a proxy on this machine, or those named in FORWARDED_ALLOW_IPS.
forwarded_allow_ips = "*" if "DYNO" in os.environ else os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
