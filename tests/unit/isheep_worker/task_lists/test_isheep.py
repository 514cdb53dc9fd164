"""I-SHEEP's list: the parser starts where the prompt ends."""

from isheep_worker.task_lists.registry import TASK_LISTS, task_list
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar

EXEMPLARS = [Exemplar(f"Name {n} rivers.", "") for n in range(3)]


def test_the_parser_reads_the_exemplars_of_a_prompt_back() -> None:
    style = TASK_LISTS["ISheep"]
    prompt = style.prompt(TemplateLibrary(), EXEMPLARS, language="en")
    listed = prompt.partition("1. Instruction:")[2].rpartition("###")[0]
    parsed = style.parse(listed, exemplars=0, cut=False, drop_last="IfCut")
    assert [task.instruction for task in parsed.tasks] == [e.instruction for e in EXEMPLARS]
    assert not parsed.failures


def test_settings_without_a_style_select_isheep() -> None:
    assert task_list(None) is TASK_LISTS["ISheep"]
