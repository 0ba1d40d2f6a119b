"""Object stores on loopback, each by the emulator that is made for it, each with secrets."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from loopback import key_pair, serving, unused_port

# gcsfs takes the first when it is imported. Without these it spends half a minute on asking, where
# nobody answers, of what kind each bucket is, and whether this is Google's cloud.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
os.environ["NO_GCE_CHECK"] = "true"


@dataclass(frozen=True)
class ObjectStore:
    """An empty bucket.

    Attributes
    ----------
    url : str
        The bucket's address.
    options : dict
        Storage options that lead there.
    refused : dict or None
        The same with credentials that the server refuses.
    gone : dict or None
        The same for a server that does not answer.
    missing : str or None
        The address of a bucket that does not exist.
    secrets : tuple of str
        What in any of the options is to be told nowhere.
    revoke : callable or None
        Makes the server refuse the credentials from now on.
    """

    url: str
    options: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, Any] | None = None
    gone: dict[str, Any] | None = None
    missing: str | None = None
    secrets: tuple[str, ...] = ()
    revoke: Callable[[], object] | None = None


@contextmanager
def s3() -> Iterator[ObjectStore]:
    """S3 by moto, with a user whose signatures it checks; its buckets outlive it."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import botocore.session
    import requests

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with ExitStack() as stack:
        nobody = stack.enter_context(unused_port())
        server.start()
        stack.callback(server.stop)
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"

        session = botocore.session.get_session()
        # A region, as the library then sends no constraint on it, and keys, as it wants some.
        common = {"region_name": "us-east-1", "endpoint_url": endpoint}
        common |= {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
        iam, buckets = (session.create_client(service, **common) for service in ("iam", "s3"))
        stack.callback(iam.close)
        stack.callback(buckets.close)
        user, name = f"user-{uuid.uuid4()}", f"sections-{uuid.uuid4()}"
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=_ALL_OF_S3)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        buckets.create_bucket(Bucket=name)

        def check(requests_before: bytes) -> None:
            answer = requests.post(
                f"{endpoint}/moto-api/reset-auth", data=requests_before, timeout=10
            )
            answer.raise_for_status()

        def revoke() -> None:
            check(b"inf")
            iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
            check(b"0")

        # From now on it checks. This holds for all of moto in this process: others get it back.
        check(b"0")
        stack.callback(check, b"inf")

        options = {
            "key": key["AccessKeyId"],
            "secret": key["SecretAccessKey"],
            "endpoint_url": endpoint,
            "client_kwargs": {"region_name": "us-east-1"},
        }
        wrong = secrets.token_urlsafe(30)
        yield ObjectStore(
            f"s3://{name}",
            options,
            refused=options | {"secret": wrong},
            gone=options
            | {
                "endpoint_url": f"http://127.0.0.1:{nobody}",
                "config_kwargs": {"retries": {"max_attempts": 0}},
            },
            missing=f"s3://nowhere-{uuid.uuid4()}",
            # Not the key's name: it is in each request, and in what botocore logs of them.
            secrets=(options["secret"], wrong),
            revoke=revoke,
        )


_ALL_OF_S3 = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)


@contextmanager
def gs() -> Iterator[ObjectStore]:
    """Google's storage by gcp-storage-emulator, behind a service account's way to log in.

    The emulator checks nothing. So a token is asked for at an address that checks the signature of
    the account's key, as Google's does, and without that token every request is refused.
    """
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    from gcp_storage_emulator.handlers.buckets import create_bucket
    from gcp_storage_emulator.storage import Storage
    from google.auth import jwt

    token = f"ya29.{secrets.token_urlsafe(40)}"
    (_, key, public), (_, wrong, _) = key_pair(), key_pair()

    class Checked(emulator.RequestHandler):  # type: ignore[misc, name-defined]
        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            if self.path == "/token":
                self._log_in()
                return False
            if self.headers["Authorization"] != f"Bearer {token}":
                self._answer(401, {"error": {"code": 401, "message": "Login Required."}})
                return False
            return True

        def _log_in(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            try:
                jwt.decode(form["assertion"][0], certs=public, verify=True)
            except ValueError:
                self._answer(400, {"error": "invalid_grant", "error_description": "Bad signature"})
                return
            answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
            self._answer(200, answer)

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    storage = Storage(use_memory_fs=True)
    name = f"sections-{uuid.uuid4()}"
    create_bucket(name, storage)
    with (
        unused_port() as nobody,
        serving(functools.partial(Checked, storage), http.server.HTTPServer) as port,
    ):

        def options(key: str, port: int = port) -> dict[str, Any]:
            address = f"http://127.0.0.1:{port}"
            account = {
                "type": "service_account",
                "client_email": "sections@example.com",
                "private_key": key,
                "token_uri": f"{address}/token",
            }
            return {"token": account, "endpoint_url": address, "project": "sections"}

        yield ObjectStore(
            f"gs://{name}",
            options(key),
            refused=options(wrong),
            gone=options(key, nobody),
            missing=f"gs://nowhere-{uuid.uuid4()}",
            secrets=(token, *(line for k in (key, wrong) for line in k.split("\n")[1:-2])),
        )


@contextmanager
def az() -> Iterator[ObjectStore]:
    """Azure's storage by azurite, a program of npm's, with an account of one's own."""
    pytest.importorskip("adlfs")
    program = shutil.which("azurite-blob")
    if not program:
        pytest.skip("azurite is not installed: npm install --global azurite")
    from azure.storage.blob import BlobServiceClient

    account, name = "sections", f"sections-{uuid.uuid4()}"
    key, wrong = (base64.b64encode(secrets.token_bytes(48)).decode() for _ in range(2))
    command = [program, "--inMemoryPersistence", "--blobPort", "0"]
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{account}:{key}"}
    with (
        unused_port() as nobody,
        tempfile.TemporaryDirectory() as folder,
        open(Path(folder, "log"), "w+") as log,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            address = _wait_for(Path(folder, "log"), r"listens on (http://[\w.:]+)", process)

            def options(address: str, key: str) -> dict[str, Any]:
                parts = {
                    "DefaultEndpointsProtocol": "http",
                    "AccountName": account,
                    "AccountKey": key,
                    "BlobEndpoint": f"{address}/{account}",
                }
                return {"connection_string": ";".join(f"{k}={v}" for k, v in parts.items())}

            right = options(address, key)
            with BlobServiceClient.from_connection_string(right["connection_string"]) as client:
                client.create_container(name)
            yield ObjectStore(
                f"az://{name}",
                right,
                refused=options(address, wrong),
                gone=options(f"http://127.0.0.1:{nobody}", key),
                missing=f"az://nowhere-{uuid.uuid4()}",
                secrets=(key, wrong),
            )
        finally:
            process.terminate()


def _wait_for(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    """Return what a program that starts has logged."""
    for _ in range(600):
        if found := re.search(pattern, log.read_text()):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"azurite did not start: {log.read_text()}")


@contextmanager
def memory() -> Iterator[ObjectStore]:
    """fsspec's file system in the memory of a process."""
    import fsspec

    name = f"sections-{uuid.uuid4()}"
    yield ObjectStore(f"memory://{name}")
    fs = fsspec.filesystem("memory")
    if fs.exists(name):
        fs.rm(name, recursive=True)


@contextmanager
def local() -> Iterator[ObjectStore]:
    """A folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield ObjectStore(folder)


STORES = {"s3": s3, "gs": gs, "az": az, "memory": memory, "local": local}
