import pytest

from isheep.cli.errors import BadInputError
from isheep.cli.run_argument import is_file, name_on_cluster


@pytest.mark.parametrize(
    ("argument", "file"),
    [
        ("run.yaml", True),
        ("run.yml", True),
        ("-", True),
        ("runs/quickstart", True),
        ("./quickstart", True),
        ("quickstart", False),
        ("quickstart-yaml", False),
        ("run.json", False),
        ("", False),
    ],
)
def test_an_argument_is_a_file_or_a_name(argument, file):
    assert is_file(argument) is file


@pytest.mark.parametrize(("namespace", "context"), [("team-a", None), (None, "c"), ("n", "c")])
def test_a_name_with_a_namespace_or_a_context_is_on_a_cluster(namespace, context):
    assert name_on_cluster("quickstart", namespace, context) == "quickstart"


@pytest.mark.parametrize(
    ("argument", "namespace", "message"),
    [
        ("run.yaml", "team-a", "run.yaml: this is a file"),
        ("", "team-a", "is empty"),
        ("quickstart", None, "add -n NAMESPACE"),
    ],
)
def test_other_arguments_are_refused(argument, namespace, message):
    with pytest.raises(BadInputError, match=message):
        name_on_cluster(argument, namespace, None)
