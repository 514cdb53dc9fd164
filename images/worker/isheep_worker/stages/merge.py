"""merge: add the adapter to its base model; the result is the full weights of M(t)."""

from __future__ import annotations

from isheep.recipes.settings import MergeSettings
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.runtime.meter import Activity
from isheep_worker.templates.prompting import load_prompting


def run(context: StageContext[MergeSettings]) -> StageOutcome:
    """Merge the weights and commit the model's files."""
    keys = context.step.inputs.get("model", ())
    with context.meter.measure(Activity.LOAD):
        from isheep_worker.training.merge import MergeError, merge  # noqa: PLC0415 (heavy)

        adapter = context.models.of_stage(context.input_key("adapter"))
        base = context.models.of_stage(keys[0]) if keys else context.models.base()
        chat_format = load_prompting(
            context.models.tokenizer(), context.settings.chat_format
        ).chat_format
    out = context.scratch / "model"
    try:
        merged = merge(
            adapter,
            base,
            out,
            chat_template=chat_format.template,
            stop_token_ids=chat_format.stop_token_ids,
        )
    except MergeError as error:
        raise BadInputError(f"{context.step.id}: {error}") from error
    files = []
    paths = sorted(path for path in out.iterdir() if path.is_file())
    for done, path in enumerate(paths):
        context.stop.check()
        context.progress.items(done, len(paths), path.name)
        files.append(context.artifacts.write_file(context.step.key, path.name, path))
    statistics = {"bytes": merged.weight_bytes, "shards": len(merged.files)}
    return commit(context, statistics, files=files)
