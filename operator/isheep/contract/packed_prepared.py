"""A short form of what prepare finds, for runs with many inputs.

The result of prepare is a termination message of 2,048 bytes, and each input has a digest of 64
hexadecimal characters. The short form contains each digest as 32 bytes, and no names of benchmarks
and judgements: the reader has the spec, and takes its names in alphabetical order. The other fields
are compressed JSON, in which null is the place of a digest. All bytes are written in base 85.

Only a result that would be too long has this form, because people cannot read it.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from isheep.contract.prepared import Prepared

FORMAT = "1:"
"""What a text in this form starts with. Another form or another dictionary has another number."""
NAMED = ("benchmarks", "evaluation")
"""The fields that map a name of the spec to a value."""
MOST_BYTES = 64 * 1024
"""The largest size of the JSON. The text comes from a pod, which can compress megabytes into it."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGEST_BYTES = 32
_DICTIONARY = (
    b'{"DigitsAfterSpace""DigitsAfterNewline""LettersAfterNewline""Own""ChatML""Plain"'
    b'"Transformers""float32""float16""judge":{"digest":null,"revision":"","memorization":'
    b'"modelDigest":null,"modelRevision":"","architecture":"ForCausalLM","seedTasksDigest":null,'
    b'"seedTasksCount":1000,"templatesDigest":null,"scoreTemplatesDigest":null,"benchmarks":[null,'
    b'null,null,null],"engine":"VLLM","dtype":"bfloat16","maxModelLength":32768,"chatFormat":{'
    b'"kind":"Own","digest":null,"endOfTurnIds":[151645],"stopTokenIds":[151643]},'
    b'"thinkingChatFormat":null,"scoreLabels":{"Raw":{"kind":"","tokenIds":[]},"Chat":{"kind":"",'
    b'"tokenIds":[]}},"evaluation":[{"digest":null,"requests":{"Raw":10,"Chat":10},"length":4096},'
    b'{"digest":null,"requests":{"Raw":10,"Chat":10},"length":4096}],"evaluationTexts":null,'
    b'"harness":"0.4.13","judge":{"digest":null,"revision":"","dtype":"bfloat16",'
    b'"maxModelLength":32768,"chatFormat":null}}'
)


def pack(prepared: Prepared) -> str:
    """Return the short form of what prepare has found; it has no characters that JSON escapes."""
    document = prepared.model_dump(mode="json", by_alias=True, exclude_none=True)
    for field in NAMED:
        if field in document:
            document[field] = [document[field][name] for name in sorted(document[field])]
    digests: list[str] = []
    text = json.dumps(_without_digests(document, digests), separators=(",", ":"))
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS, zdict=_DICTIONARY)
    content = compressor.compress(text.encode()) + compressor.flush()
    return FORMAT + base64.b85encode(content + bytes.fromhex("".join(digests))).decode()


def unpack(text: str, names: Mapping[str, Collection[str]]) -> Prepared:
    """Return what `pack` was given.

    Args:
        text: The short form.
        names: The names of the spec for each of the fields `NAMED`.

    Raises:
        ValueError: The text has another form, or was made for a spec with other names.
    """
    if not text.startswith(FORMAT):
        raise ValueError(f"the result of prepare has the unknown form {text[:2]!r}")
    try:
        document = _read(base64.b85decode(text.removeprefix(FORMAT)))
    except (ValueError, zlib.error, StopIteration) as error:
        raise ValueError(f"the result of prepare cannot be read: {error}") from error
    for field in NAMED:
        if field in document:
            document[field] = _named(field, document[field], names.get(field, ()))
    return Prepared.model_validate(document)


def _read(content: bytes) -> Any:
    """Return the document with its digests."""
    reader = zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=_DICTIONARY)
    text = reader.decompress(content, MOST_BYTES)
    if not reader.eof:
        raise ValueError("its end is missing, or it is too long")
    document = json.loads(text)
    rest = reader.unused_data
    if len(rest) % _DIGEST_BYTES:
        raise ValueError("a digest is not complete")
    digests = (rest[i : i + _DIGEST_BYTES].hex() for i in range(0, len(rest), _DIGEST_BYTES))
    return _with_digests(document, digests)


def _without_digests(value: Any, digests: list[str]) -> Any:
    """Return a value with None in the place of each digest, and add the digests to a list."""
    if isinstance(value, dict):
        return {name: _without_digests(item, digests) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_digests(item, digests) for item in value]
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        digests.append(value)
        return None
    return value


def _with_digests(value: Any, digests: Iterator[str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_digests(item, digests) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_digests(item, digests) for item in value]
    return next(digests) if value is None else value


def _named(field: str, values: list[Any], names: Collection[str]) -> dict[str, Any]:
    if len(values) != len(names):
        raise ValueError(
            f"the result of prepare has {len(values)} {field}, and the spec has {len(names)}"
        )
    return dict(zip(sorted(names), values, strict=True))
