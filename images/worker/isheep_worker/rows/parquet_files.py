"""Rows of a Parquet file as records.

pyarrow is an optional package, so it is imported when the first Parquet file is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from isheep_worker.rows.records import RecordError

MAGIC = b"PAR1"
_BATCH_BYTES = 1 << 30
_BATCH_ROWS = 256


def parquet_rows(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that can seek.

    Raises `RecordError` if pyarrow is not installed or the file is damaged; `name` is in messages.
    """
    try:
        import pyarrow  # noqa: PLC0415 (optional)
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError as error:
        raise RecordError(
            f"{name}: is a Parquet file, and the package pyarrow is not installed; install "
            "isheep[data], or write the file as JSON Lines"
        ) from error
    try:
        parquet = ParquetFile(file)
        for batch in parquet.iter_batches(batch_size=_batch_size(parquet.metadata)):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise RecordError(
            f"{name}: is not a Parquet file that can be read ({error}); write it again"
        ) from error


def _batch_size(metadata: Any) -> int:
    """Return a number of rows with which a batch stays below 1 GiB.

    A value is never larger than its column chunk. A dictionary can repeat a large value in every
    row, so the size of the file does not limit the size of a batch.
    """
    largest = max(
        (
            metadata.row_group(group).column(column).total_uncompressed_size
            for group in range(metadata.num_row_groups)
            for column in range(metadata.num_columns)
        ),
        default=1,
    )
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, largest)))
