import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.support import unsupported

SPEC = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://a/b"}}


def fields(**changes):
    spec = SelfAlignmentRunSpec.read({**SPEC, **changes})
    return [problem.field for problem in unsupported(spec)]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, []),
        ({"assessment": {"scoring": "Expected"}}, ["spec.assessment.scoring"]),
        # Nothing is scored, so how it would be does not matter.
        ({"assessment": {"scoring": "Expected"}, "selection": {"method": "None"}}, []),
        ({"training": {"handover": "Adapter"}}, ["spec.training.handover"]),
        (
            {"training": {"handover": "Adapter", "numNodes": 2}},
            ["spec.training.handover", "spec.training.numNodes"],
        ),
    ],
)
def test_what_this_version_cannot_do_is_named_by_its_field(changes, named):
    assert fields(**changes) == named
