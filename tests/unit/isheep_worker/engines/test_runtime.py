import subprocess
import sys

import pytest

from isheep_worker.engines.runtime import EngineRuntime


@pytest.mark.parametrize(
    ("reduction", "sequences", "batch"), [(0, 48, 6), (1, 24, 3), (2, 12, 1), (9, 1, 1)]
)
def test_each_reduction_halves(reduction: int, sequences: int, batch: int):
    runtime = EngineRuntime(max_num_seqs=48, batch_size=6, memory_reduction=reduction)
    assert runtime.reduced_max_num_seqs == sequences
    assert runtime.reduced_batch_size == batch


def test_naming_an_engine_imports_none():
    code = (
        "import sys, isheep_worker.engines.registry;"
        "sys.exit(bool({'torch', 'vllm', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
