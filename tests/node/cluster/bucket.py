"""A bucket of the cluster's object store, and the Secret with its credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cluster import object_store
from cluster.clients import wait_until

NAME = "isheep"
SECRET = "s3"


class Bucket:
    """The bucket at an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=object_store.REGION,
            aws_access_key_id=object_store.ACCESS_KEY,
            aws_secret_access_key=object_store.SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )

    def make(self) -> Bucket:
        """Create the empty bucket, and return this object."""
        wait_until("a bucket", self._made, 60)
        return self

    def _made(self) -> bool | None:
        try:
            self._client.create_bucket(Bucket=NAME)
            self._client.put_object(Bucket=NAME, Key="up", Body=b"")
        except self._client.exceptions.BucketAlreadyExists:
            return True
        except ClientError:
            return None  # the port opens before the volume server joins
        return True

    def storage(self, prefix: str) -> dict[str, Any]:
        """Return `spec.storage` for a prefix of the bucket."""
        s3 = {
            "bucket": NAME,
            "prefix": prefix,
            "endpoint": self._endpoint,
            "region": object_store.REGION,
            "addressing": "Path",
            "secretRef": {"name": SECRET},
        }
        return {"s3": s3}

    def put_folder(self, folder: Path, key: str) -> str:
        """Copy the files of a folder below a key, and return the URI of the key."""
        for file in sorted(folder.iterdir()):
            self._client.upload_file(str(file), NAME, f"{key}/{file.name}")
        return f"s3://{NAME}/{key}"

    def put_text(self, text: str, key: str) -> str:
        """Write a file, and return its URI."""
        self._client.put_object(Bucket=NAME, Key=key, Body=text.encode())
        return f"s3://{NAME}/{key}"


def secret(namespace: str) -> dict[str, Any]:
    """Return the Secret that `storage` refers to."""
    data = {
        "AWS_ACCESS_KEY_ID": object_store.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": object_store.SECRET_KEY,
    }
    metadata = {"name": SECRET, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
