"""What shell completion offers for an argument: the names of runs, and the fields of `--set`.

Names come from the folder of a store, without the modules that read stores, because these import
pydantic. A completion must be quick, so it reads no bucket and no cluster.
"""

from __future__ import annotations

import re
from pathlib import Path

import typer

DEFAULT_STORE = "isheep-store"
"""The folder in the working directory that `isheep` uses without `--store` and `spec.storage`."""
_RUNS = "runs/*/run.json"
"""The documents of `isheep.local.stored_run`, in the folder of a namespace."""
_NAME = re.compile(r"[a-z][-a-z0-9]*")


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the store's runs and the YAML files that begin as the argument does."""
    files = [path.name for kind in ("*.yaml", "*.yml") for path in Path().glob(kind)]
    found = [*_names(ctx), *files]
    return sorted(text for text in found if text.startswith(incomplete) and text.isprintable())


def set_fields(incomplete: str) -> list[str]:
    """Return the fields of a run that `--set` can set and that begin as the value does."""
    # Only this completion needs the schema.
    from isheep.api.reading.schema_paths import field_path, spec_paths  # noqa: PLC0415  (imports pydantic)

    paths = spec_paths()
    objects = {path[:-1] for path in paths}
    leaves = (field_path(path) for path in paths if path not in objects)
    return [f"{leaf}=" for leaf in leaves if leaf.startswith(incomplete)]


def _names(ctx: typer.Context) -> list[str]:
    store, namespace = ctx.params.get("store"), ctx.params.get("namespace")
    on_cluster = ctx.params.get("context") or (namespace and not store)
    if on_cluster or "://" in (store or ""):
        return []
    try:
        folder = Path(store or DEFAULT_STORE).expanduser() / (namespace or "default")
        names = [path.parent.name for path in folder.glob(_RUNS)]
    except (OSError, RuntimeError):  # RuntimeError: there is no such user after ~
        return []
    return [name for name in names if _NAME.fullmatch(name)]
