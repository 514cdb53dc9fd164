"""I-SHEEP's task list: what the prompt ends with is where the parser begins."""

from isheep_worker.task_lists.registry import TASK_LISTS, task_list
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar
from isheep_worker.text.parsing import DropLast

EXEMPLARS = [Exemplar(f"Name {n} rivers.", "") for n in range(3)]


def test_a_prompt_read_as_its_own_completion_gives_its_exemplars_back() -> None:
    style = TASK_LISTS["ISheep"]
    prompt = style.prompt(TemplateLibrary(), EXEMPLARS, language="en")
    listed = prompt.partition("1. Instruction:")[2].rpartition("###")[0]
    parsed = style.parse(listed, exemplars=0, cut=False, drop_last=DropLast.IF_CUT)
    assert [task.instruction for task in parsed.tasks] == [e.instruction for e in EXEMPLARS]
    assert not parsed.failures


def test_settings_that_name_no_style_mean_isheeps() -> None:
    assert task_list(None) is TASK_LISTS["ISheep"]
