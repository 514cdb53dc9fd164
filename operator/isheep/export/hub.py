"""The upload of an exported folder to a repository of a hub.

huggingface_hub does the work: it uploads large files as such, and commits nothing if no file has
changed, so a push can be repeated. The token comes from the environment variable HF_TOKEN or from
the login that huggingface_hub has stored, and never from an argument, because other users of a
machine can read the arguments of a process. HF_ENDPOINT names another hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.contract.choices import RepositoryType

_OF_A_MODEL = ("config.json", "adapter_config.json")
_HIDDEN = [".*", "**/.*"]
_BAD_STATUS = {
    401: "the hub does not accept the token",
    403: "the token may not write to this repository; use a token with the right to write",
    404: "the hub does not have this user or organisation, or hides it from this token",
}


class HubError(ValueError):
    """The folder, the repository or the token cannot be used; the message has the remedy."""


class HubUnreachableError(RuntimeError):
    """The hub does not answer, or answers that it cannot serve now."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A finished push: the repository, and the commit that has the folder's files."""

    repository: str
    kind: RepositoryType
    commit: str


def repository_type(folder: Path) -> RepositoryType:
    """Return the type of the repository that a folder belongs into, by its files.

    Raises `HubError` if the folder does not exist or has no files.
    """
    if not folder.is_dir():
        raise HubError(f"{folder} is not a folder; name a folder that `isheep export` wrote")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise HubError(f"{folder} has no files; name a folder that `isheep export` wrote")
    is_model = any((folder / name).is_file() for name in _OF_A_MODEL)
    return "model" if is_model else "dataset"


def push(folder: Path, repository: str, kind: RepositoryType, *, private: bool) -> Pushed:
    """Create the repository if it does not exist, and upload the folder to it.

    Args:
        folder: The folder; hidden files are left out.
        repository: The name, such as `org/name`.
        kind: The type of the repository.
        private: Whether the repository must be private. An existing public one is refused.

    Returns:
        The repository and the commit.

    Raises:
        HubError: There is no token, or the hub refuses the name, the token or the files.
        HubUnreachableError: The hub does not answer.
    """
    try:
        from huggingface_hub import HfApi, get_token  # noqa: PLC0415 (slow to import)
    except ImportError as error:
        raise HubError(
            "a push needs the package huggingface_hub, which is not installed; install isheep[data]"
        ) from error
    token = get_token()
    if not token:
        raise HubError(
            "there is no token for the hub; set the environment variable HF_TOKEN, or log in with "
            "`hf auth login`"
        )
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)
    with _explained(repository):
        api.create_repo(repository, repo_type=kind, private=private or None, exist_ok=True)
        if private and not _is_private(api, repository, kind):
            raise HubError(
                f"{repository} exists and is public; make it private on the hub, name another "
                "repository, or leave out --private"
            )
        commit = api.upload_folder(
            repo_id=repository,
            repo_type=kind,
            folder_path=folder,
            ignore_patterns=list(_HIDDEN),
            commit_message="Upload with isheep",
        )
    return Pushed(repository, kind, str(commit.oid))


def _is_private(api: Any, repository: str, kind: RepositoryType) -> bool:
    return bool(api.repo_info(repository, repo_type=kind).private)


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Translate the errors of huggingface_hub."""
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
    )

    # The first base is the error of the HTTP library, which also is the base of its errors about
    # connections. huggingface_hub has changed that library, so no name of it is here.
    no_answer = HfHubHTTPError.__bases__[0]
    try:
        yield
    except HFValidationError as error:
        raise HubError(f"--repo {repository}: {error}; write it as org/name") from error
    except OfflineModeIsEnabled as error:
        raise HubError(
            "HF_HUB_OFFLINE is set, so huggingface_hub contacts no hub; unset it"
        ) from error
    except HfHubHTTPError as error:
        raise _refusal(repository, error) from error
    except (no_answer, ConnectionError) as error:
        raise HubUnreachableError(
            f"the hub does not answer ({type(error).__name__}); check HF_ENDPOINT and the network, "
            "and push again: files that are uploaded already are not sent again"
        ) from error


def _refusal(repository: str, error: Any) -> Exception:
    status = error.response.status_code
    said = (error.server_message or "").strip().partition("\n")[0]
    detail = f" ({said})" if said else ""
    if status >= 500 or status == 429:
        return HubUnreachableError(
            f"the hub answered with the status {status}{detail}; push again later"
        )
    reason = _BAD_STATUS.get(status, f"the hub refused it with the status {status}")
    return HubError(f"{repository}: {reason}{detail}")
