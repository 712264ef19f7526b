"""The application of the example: `Hello, World!`, and in X-Worker the pid of the worker that said it."""
import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":  # a request to be in flight while its worker is stopped
        time.sleep(1)
    body = b"Hello, World!\n"
    start_response("200 OK", [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(body))),
        ("X-Worker", str(os.getpid())),
    ])
    return [body]
