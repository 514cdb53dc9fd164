"""The errors of a refused object have one order; a real API server gives them in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isheep.kube.field_errors import ordered_message


def _cause(field: str, message: str) -> dict[str, Any]:
    return {"reason": "FieldValueInvalid", "field": field, "message": message}


def _answered(causes: list[dict[str, Any]]) -> str:
    """Return the message of the API server for these causes."""
    errors = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    return f'Job.batch "x" is invalid: {text}'


CAUSES = st.lists(
    st.builds(
        _cause,
        st.sampled_from(["spec.template.labels", "metadata.labels", "spec.template.spec.priority"]),
        st.sampled_from(["Required value", 'Invalid value: "[a, b]": must be a, or b', ""]),
    ),
    min_size=1,
    max_size=8,
)


@given(causes=CAUSES, data=st.data())
def test_the_same_errors_have_the_same_message(causes: list[Any], data: st.DataObject) -> None:
    others = data.draw(st.permutations(causes))
    found = ordered_message(_answered(causes), causes)
    assert found == ordered_message(_answered(others), others)
    assert sorted(found) == sorted(_answered(causes))


def test_a_message_without_the_list_stays() -> None:
    causes = [_cause("b", "Required value"), _cause("a", "Required value")]
    assert ordered_message("the server is busy", causes) == "the server is busy"
    assert ordered_message("the server is busy: []", []) == "the server is busy: []"
