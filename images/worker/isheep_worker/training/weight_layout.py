"""Where the files of a model contain each of its parameters.

Transformers renames and combines the tensors of many models while it loads them: experts become
one parameter, and a language model that is a part of a larger model gets another prefix. Training
sees the parameters after this conversion, and a merge changes the files, whose names and layout
other programs expect. This module applies the conversion of Transformers to names and shapes, and
its inverse to the change of a parameter. prepare and merge use the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    MergeModulelist,
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)

Shape = tuple[int, ...]
Change = Callable[[str, int | None], Any]
"""Returns the change of a parameter, a float32 tensor, or None if the parameter does not change.

The second argument selects one matrix of a stack, which is returned with a first dimension of 1.
"""


class LayoutError(ValueError):
    """Transformers' conversion of a model's tensors cannot be applied or inverted."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Tensors of the files that Transformers converts together, and the parameters they become.

    `tensors` has the names for each pattern of `converter`, in the order in which the conversion
    reads them. `converter` is None if the only tensor is the only parameter.
    """

    parameters: Mapping[str, Shape]
    tensors: tuple[tuple[str, ...], ...]
    converter: Any
    model: Any

    @property
    def stacks(self) -> bool:
        """Whether each tensor of a pattern becomes one index of the first dimension."""
        return self.converter is not None and isinstance(
            self.converter.operations[0], MergeModulelist
        )


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a tensor of the files in its conversion, and the tensor's shape."""

    conversion: Conversion
    pattern: int
    position: int
    shape: Shape


def read_layout(
    model: Any, shapes: Mapping[str, Shape], parameters: Mapping[str, Any] | None = None
) -> dict[str, Place]:
    """Return the place of each tensor of the files that the model reads.

    Args:
        model: The model of Transformers, on the device `meta`.
        shapes: The shape of each tensor in the files.
        parameters: The parameters of the model by name, from before it got an adapter; None if it
            has no adapter.

    Raises:
        LayoutError: The tensors do not fit the conversion.
    """
    places: dict[str, Place] = {}
    names = model.state_dict() if parameters is None else parameters
    for conversion in _conversions(model, shapes, names):
        for index, names in enumerate(conversion.tensors):
            for position, name in enumerate(names):
                places[name] = Place(conversion, index, position, shapes[name])
    return places


def change_of_tensor(place: Place, change: Change) -> Any:
    """Return the change of a tensor of the files, as a float32 tensor of its shape.

    Args:
        place: The tensor's place.
        change: The changes of the parameters.

    Returns:
        The change, or None if no parameter that is read from the tensor changes.

    Raises:
        LayoutError: The changed values cannot be assigned to the tensor.
    """
    conversion = place.conversion
    one = place.position if conversion.stacks else None
    changes = {name: change(name, one) for name in conversion.parameters}
    if all(found is None for found in changes.values()):
        return None
    if conversion.converter is None:
        (found,) = changes.values()
        return _shaped(found, place, next(iter(changes)))
    for name, shape in conversion.parameters.items():
        if changes[name] is None:
            device = next(found.device for found in changes.values() if found is not None)
            changes[name] = torch.zeros(shape if one is None else (1, *shape[1:]), device=device)
    return _shaped(_inverted(place, list(changes.values())), place, next(iter(changes)))


def _shaped(found: Any, place: Place, parameter: str) -> Any:
    # The inverse of a stack drops every dimension of 1.
    if tuple(size for size in found.shape if size != 1) != tuple(
        size for size in place.shape if size != 1
    ):
        raise LayoutError(
            f"{parameter} has shape {list(found.shape)} in the form of the files, "
            f"and there it has shape {list(place.shape)}"
        )
    return found.reshape(place.shape)


def _inverted(place: Place, changes: Sequence[Any]) -> Any:
    """Return the tensor's part of the changes, by the inverse of each operation in turn."""
    conversion = place.conversion
    # A reversed converter shares lists with its original and edits them.
    reverse = deepcopy(conversion.converter).reverse_transform()
    values: dict[str, Any] = {
        pattern: [found] for pattern, found in zip(reverse.source_patterns, changes, strict=True)
    }
    for operation in reverse.operations:
        values = operation.convert(
            values,
            source_patterns=reverse.source_patterns,
            target_patterns=reverse.target_patterns,
            full_layer_name=next(iter(conversion.parameters)),
            model=conversion.model,
            config=conversion.model.config,
            missing_keys=None,
        )
    number = 0 if conversion.stacks else place.position
    name = reverse.target_patterns[place.pattern].replace("*", str(number))
    if name not in values:
        raise LayoutError(
            f"the inverse of Transformers' conversion {conversion.converter} does not give {name}"
        )
    found = values[name]
    return found[0] if isinstance(found, list) else found


def _conversions(
    model: Any, shapes: Mapping[str, Shape], parameters: Mapping[str, Any]
) -> list[Conversion]:
    """Group the tensors as `from_pretrained` does."""
    mapping = get_model_conversion_mapping(model)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    converter_of = {
        pattern: converter for converter in converters for pattern in converter.source_patterns
    }
    groups: dict[str, tuple[Any, dict[str, list[str]]]] = {}
    for tensor in sorted(shapes, key=dot_natural_key):
        names = (model.base_model_prefix, parameters)
        name, pattern = rename_source_key(tensor, renamings, converters, *names)
        if name not in parameters and tensor in parameters:
            name, pattern = rename_source_key(tensor, [], [], *names)
        if name not in parameters:
            continue
        converter = None if pattern is None else converter_of[pattern]
        _, tensors = groups.setdefault(name, (converter, {}))
        tensors.setdefault(pattern or "", []).append(tensor)
    return [
        _conversion(model, name, converter, tensors, shapes)
        for name, (converter, tensors) in groups.items()
    ]


def _conversion(
    model: Any,
    first: str,
    converter: Any,
    tensors: Mapping[str, list[str]],
    shapes: Mapping[str, Shape],
) -> Conversion:
    if converter is None:
        copies = [name for names in tensors.values() for name in names]
        return Conversion({first: shapes[copies[0]]}, (tuple(copies),), None, model)
    by_pattern = tuple(tuple(tensors.get(pattern, ())) for pattern in converter.source_patterns)
    if not all(by_pattern):
        raise LayoutError(
            f"the files have only a part of {first}: {', '.join(sorted(tensors))} of "
            f"{', '.join(converter.source_patterns)}"
        )
    loading = deepcopy(converter)
    for pattern, names in zip(converter.source_patterns, by_pattern, strict=True):
        for name in names:
            loading.add_tensor(first, name, pattern, torch.empty(shapes[name], device="meta"))
    try:
        loaded = loading.convert(first, model=model, config=model.config)
    except (RuntimeError, ValueError) as error:
        raise LayoutError(f"the tensors of {first} do not fit together: {error}") from error
    parameters = {
        name: tuple((found[0] if isinstance(found, list) else found).shape)
        for name, found in loaded.items()
    }
    return Conversion(parameters, by_pattern, converter, model)
