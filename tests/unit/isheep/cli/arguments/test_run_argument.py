import pytest

from isheep.cli.arguments.run_argument import Place, is_file, name_on_cluster, place_of
from isheep.cli.terminal.errors import BadInputError


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


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ((None, None, None), Place.STORE),
        ((None, None, "there"), Place.STORE),
        (("team-a", None, "there"), Place.STORE),
        (("team-a", None, None), Place.CLUSTER),
        ((None, "c", None), Place.CLUSTER),
        (("team-a", "c", "there"), Place.CLUSTER),
    ],
)
def test_a_name_is_in_a_store_or_on_a_cluster(options, place):
    assert place_of("quickstart", *options) is place


def test_a_file_is_a_file_and_has_no_place_on_a_cluster():
    assert place_of("run.yaml", None, None, "there") is Place.FILE
    with pytest.raises(BadInputError, match="need the name of a run"):
        place_of("run.yaml", "team-a", None, None)
    with pytest.raises(BadInputError, match="is empty"):
        place_of("", "team-a", None, None)
