"""The check that what prepare has found fits into its result.

The limits of the schema make sure of it for the runs of this version. An earlier version allowed
more benchmarks, and a model's own files can name any number of tokens that end a text.
"""

from __future__ import annotations

from isheep.contract.order import ContractError, Outcome, StageResult, dump_result
from isheep.contract.prepared import Prepared
from isheep_worker.runtime.errors import BadInputError


def check_result_size(prepared: Prepared) -> None:
    """Raise `BadInputError` if the result of prepare would be too long, with the remedy."""
    try:
        dump_result(StageResult(outcome=Outcome.COMMITTED, prepared=prepared))
    except ContractError as error:
        tokens = {*prepared.chat_format.stop_token_ids, *prepared.chat_format.end_of_turn_ids}
        raise BadInputError(
            f"the result of prepare has no room for {len(prepared.benchmarks)} benchmarks of "
            f"curation.decontamination, {len(prepared.evaluation or {})} benchmarks and judgements "
            f"of evaluation, and {len(tokens)} tokens that end a text of the model: put the texts "
            "of several benchmarks of curation.decontamination into one file"
        ) from error
