"""Tiny models with random weights of the architectures that docs/reference/models.md lists.

They are written as Transformers saves them, which is the layout of the published checkpoints:
`save_pretrained` inverts the conversion of loading.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 64
_DENSE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
}
_SLIDING: dict[str, Any] = {
    "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention"],
}
_LINEAR_ATTENTION: dict[str, Any] = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
_QWEN_VISION: dict[str, Any] = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_heads": 2,
    "out_hidden_size": 32,
    "patch_size": 8,
}
_QWEN_IMAGES: dict[str, Any] = {
    "vision_config": _QWEN_VISION,
    "image_token_id": 60,
    "video_token_id": 61,
    "vision_start_token_id": 62,
    "vision_end_token_id": 63,
}

# The class, its configuration's class and the configuration of each architecture.
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", _DENSE | {"num_local_experts": 4}),
    "qwen2_moe": ("Qwen2MoeForCausalLM", "Qwen2MoeConfig", _DENSE | _EXPERTS),
    "qwen3_moe": ("Qwen3MoeForCausalLM", "Qwen3MoeConfig", _DENSE | {"head_dim": 8} | _EXPERTS),
    "gpt_oss": (
        "GptOssForCausalLM",
        "GptOssConfig",
        _DENSE | {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2} | _SLIDING,
    ),
    "deepseek_v3": (
        "DeepseekV3ForCausalLM",
        "DeepseekV3Config",
        _DENSE
        | {
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "moe_intermediate_size": 24,
            "first_k_dense_replace": 1,
            "n_group": 2,
            "topk_group": 1,
            "kv_lora_rank": 8,
            "q_lora_rank": 16,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
        },
    ),
    "gemma2": (
        "Gemma2ForCausalLM",
        "Gemma2Config",
        _DENSE | _SLIDING | {"head_dim": 8, "query_pre_attn_scalar": 8},
    ),
    "gemma3": (
        "Gemma3ForConditionalGeneration",
        "Gemma3Config",
        {
            "text_config": _DENSE | _SLIDING | {"head_dim": 8, "query_pre_attn_scalar": 8},
            "vision_config": _VISION | {"model_type": "siglip_vision_model"},
            "mm_tokens_per_image": 4,
            "image_token_index": 60,
            "boi_token_index": 61,
            "eoi_token_index": 62,
        },
    ),
    "mistral3": (
        "Mistral3ForConditionalGeneration",
        "Mistral3Config",
        {
            "text_config": _DENSE | {"model_type": "mistral"},
            "vision_config": _VISION | {"model_type": "pixtral", "head_dim": 8},
            "image_token_index": 60,
        },
    ),
    "qwen3_5": (
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5Config",
        {"text_config": _DENSE | _LINEAR_ATTENTION | {"head_dim": 8}} | _QWEN_IMAGES,
    ),
    "qwen3_5_moe": (
        "Qwen3_5MoeForConditionalGeneration",
        "Qwen3_5MoeConfig",
        {"text_config": _DENSE | _LINEAR_ATTENTION | _EXPERTS | {"head_dim": 8}} | _QWEN_IMAGES,
    ),
    "llama4": (
        "Llama4ForConditionalGeneration",
        "Llama4Config",
        {
            "text_config": _DENSE
            | {"head_dim": 8, "intermediate_size_mlp": 48, "num_local_experts": 4}
            | {"interleave_moe_layer_step": 1},
            "vision_config": _VISION
            | {"vision_output_dim": 16, "projector_input_dim": 16, "projector_output_dim": 32},
        },
    ),
    "jamba": (
        "JambaForCausalLM",
        "JambaConfig",
        _DENSE
        | {"num_experts": 2, "num_experts_per_tok": 1, "attn_layer_period": 2}
        | {"attn_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4}
        | {"use_mamba_kernels": False},
    ),
    "mamba": (
        "MambaForCausalLM",
        "MambaConfig",
        {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    ),
}


def write_model(name: str, folder: Path, **changes: Any) -> Path:
    """Write the model of an architecture, with `changes` of its configuration, into a folder."""
    import torch
    import transformers
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model_class, config_class, settings = ARCHITECTURES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, config_class)(**settings | changes)
        model = getattr(transformers, model_class)(config)
        with torch.no_grad():
            # Weights as large as these make every part of the model visible in the logits.
            for weight in model.parameters():
                if weight.ndim > 1:
                    weight.normal_(0, 0.1)
        model.save_pretrained(folder)
    return folder
