"""An S3-compatible object store of a test's own, in this process, and the environment that leads to it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECRET = "object-store-secret-of-the-test"
KEY_ID = "KEYOFTHETEST"


@contextmanager
def object_store(bucket: str = "logs") -> Iterator[str]:
    """Start the store with one bucket and set AWS_* for it; yields its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    variables = {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_MAX_ATTEMPTS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        try:
            client().create_bucket(Bucket=bucket)
            yield address
        finally:
            server.stop()


def client():
    """A client of the store that the environment names."""
    import boto3

    return boto3.client("s3")
