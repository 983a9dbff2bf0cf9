"""An S3-compatible object store: listing, reading and writing whole objects, and what its errors mean."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from orchestration.remote.errors import RemoteError
from orchestration.remote.secrets import redacted

_Item = TypeVar("_Item")
_TOGETHER = 8
_DELETED_TOGETHER = 1000
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403")
_VARIABLES = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"


class ObjectStoreError(RemoteError):
    """The store cannot be reached, refuses, or has no such bucket; says what to look at, without credentials."""


class ChangedObjectError(ObjectStoreError):
    """An object is no longer the one that was listed."""


@dataclass(frozen=True)
class StoredObject:
    """An object of a listing."""

    key: str
    bytes: int
    etag: str


@dataclass(frozen=True)
class StoreSecret:
    """What DuckDB needs to read a bucket by itself."""

    key_id: str
    secret: str
    token: str
    region: str
    endpoint: str


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


class ObjectStore:
    """One bucket, reached as boto3 is told to by the environment: AWS_* variables, or the machine's role."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose keys begin with `prefix`, in the order of keys."""
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield StoredObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'))

    def download(self, objects: Sequence[StoredObject], paths: Sequence[Path]) -> None:
        """Write each object to its path. Raises ChangedObjectError when one is another than was listed."""
        self._together(lambda pair: self._download(*pair), list(zip(objects, paths, strict=True)))

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Store files under their keys."""
        self._together(lambda pair: self._upload(*pair), files)

    def read(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""
        with self._explained():
            try:
                return bytes(self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            except self._client.exceptions.NoSuchKey:
                return None

    def write(self, key: str, content: bytes) -> None:
        """Store an object whole, in one step for whoever reads it."""
        with self._explained():
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="application/json")

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        with self._explained():
            for start in range(0, len(keys), _DELETED_TOGETHER):
                listed = [{"Key": key} for key in keys[start : start + _DELETED_TOGETHER]]
                answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": listed, "Quiet": True})
                if refused := answer.get("Errors"):
                    raise ObjectStoreError(f"s3://{self.bucket}/{refused[0]['Key']}: {refused[0].get('Message', '')}")

    def secret(self) -> StoreSecret:
        """The credentials and the endpoint that the environment gives. Raises ObjectStoreError without any."""
        with self._explained():
            found = self._session.get_credentials()
            if found is None:
                raise ObjectStoreError(f"s3://{self.bucket}: no credentials; set {_VARIABLES}")
            frozen = found.get_frozen_credentials()
            region = self._client.meta.region_name or "us-east-1"
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
            return StoreSecret(frozen.access_key, frozen.secret_key, frozen.token or "", region, endpoint)

    def _download(self, stored: StoredObject, path: Path) -> None:
        body = self._client.get_object(Bucket=self.bucket, Key=stored.key, IfMatch=stored.etag)["Body"]
        with path.open("wb") as file:
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)

    def _upload(self, path: Path, key: str) -> None:
        with path.open("rb") as file:
            self._client.put_object(Bucket=self.bucket, Key=key, Body=file)

    def _together(self, work: Callable[[_Item], Any], items: Iterable[_Item]) -> None:
        with self._explained(), ThreadPoolExecutor(_TOGETHER) as pool:
            list(pool.map(work, items))

    @cached_property
    def _session(self) -> Any:
        try:
            import boto3
        except ModuleNotFoundError as error:
            raise ObjectStoreError("needs boto3: install it with `pip install 'equipoise[s3]'`") from error
        return boto3.session.Session()

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config

        return self._session.client("s3", config=Config(connect_timeout=10, read_timeout=60))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn boto3's errors into one that says what to look at."""
        _ = self._session  # tells whether boto3 is there
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

        bucket = f"s3://{self.bucket}"
        try:
            yield
        except ClientError as error:
            raise self._refusal(error) from None
        except NoCredentialsError:
            raise ObjectStoreError(f"{bucket}: no credentials; set {_VARIABLES}") from None
        except NoRegionError:
            raise ObjectStoreError(f"{bucket}: no region; set AWS_DEFAULT_REGION") from None
        except BotoCoreError as error:
            raise ObjectStoreError(f"{bucket} cannot be reached: {redacted(str(error))}") from None

    def _refusal(self, error: Any) -> ObjectStoreError:
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), redacted(str(told.get("Message", "")))
        if code in ("PreconditionFailed", "412", "NoSuchKey"):
            return ChangedObjectError(f"s3://{self.bucket}: an object changed while the log was read")
        advice = ""
        if code in _REFUSED:
            advice = f"; check {_VARIABLES}, and what they are allowed"
        elif code == "NoSuchBucket":
            advice = "; check the name, and AWS_ENDPOINT_URL_S3 if the store is not Amazon's"
        return ObjectStoreError(f"s3://{self.bucket}: {code}: {message}{advice}")
