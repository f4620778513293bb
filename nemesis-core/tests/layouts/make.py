"""Makes tiny random models with open_clip and transformers in the layouts that people have them in, and what these compute.

    pip install torch open_clip_torch transformers
    python make.py

Each model is a folder of gzipped files under models/, with features.json: what the library that wrote it makes of photo.png
and some prompts. Weights have four values, and the embeddings of tokens that no prompt has are zero, so that files are
small once they are packed.
"""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

HERE = Path(__file__).parent
PROMPTS = ["a photo of a cat.", "a centered satellite photo of the permanent crop land.", "dog"]
MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.3]


def photo():
    y, x = np.mgrid[0:29, 0:41]
    pixels = np.stack([x * 6 % 256, (x * y) % 256, 255 - y * 8], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(HERE / "photo.png")
    return Image.open(HERE / "photo.png").convert("RGB")


def randomise(model, seed):
    """Weights of few values; norms near one, as trained ones are."""
    generator = torch.Generator().manual_seed(seed)
    used = open_clip.tokenize(PROMPTS).unique()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("logit_scale"):
                weight.fill_(4.0)
                continue
            levels = torch.randint(-2, 2, weight.shape, generator=generator).float() + 0.5
            norm = weight.ndim == 1 and name.endswith("weight")
            scale = 0.25 if norm else 0.5 if weight.ndim == 1 else min(1.0, 2.0 / weight[0].numel() ** 0.5)
            # A power of two, so that bfloat16 holds the values.
            weight.copy_(levels * 2.0 ** round(np.log2(scale)) + (1 if norm else 0))
            if name.endswith("token_embedding.weight"):
                kept = torch.zeros(weight.shape[0], 1)
                kept[used] = 1
                # Zero has a sign, too.
                weight.mul_(kept).add_(0.0)
    return model.eval()


def write(name, folder, image, text):
    target = HERE / "models" / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in sorted(folder.iterdir()):
        packed = gzip.compress(file.read_bytes(), mtime=0)
        (target / (file.name + ".gz")).write_bytes(packed)
    features = {"image": image.double().flatten().tolist(), "text": text.double().tolist(), "prompts": PROMPTS}
    (target / "features.json").write_text(json.dumps(features, indent=1) + "\n")
    shutil.rmtree(folder)


def scratch():
    folder = HERE / "models" / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Numbered(type):
    """A `str` that turns addresses into numbers: torch.save names the parts of its old format by where they are in memory."""

    known = {}

    def __instancecheck__(cls, value):
        return isinstance(value, str)

    def __call__(cls, value):
        if isinstance(value, int) and value > 1 << 20:
            return f"{cls.known.setdefault(value, len(cls.known)):04}"
        return str(value)


def save_as_before_1_6(state, file):
    Numbered.known.clear()
    torch.serialization.str = Numbered("str", (), {})
    torch.save(state, file, _use_new_zipfile_serialization=False)
    del torch.serialization.str


def of_open_clip(name, seed, quick_gelu, head_width, preprocess, file, custom=False, kind=torch.float32, **sizes):
    config = {
        "embed_dim": sizes.get("embed_dim", 8),
        "vision_cfg": {
            "image_size": 16, "layers": 1, "width": head_width, "head_width": head_width, "patch_size": 8,
            **sizes.get("vision", {}),
        },
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2, **sizes.get("text", {}),
        },
    }
    if quick_gelu:
        config["quick_gelu"] = True
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    model = randomise(model, seed)
    folder = scratch()
    state = {key: value.to(kind) if value.is_floating_point() else value for key, value in model.state_dict().items()}
    if file.endswith(".safetensors"):
        save_file({key: value.contiguous() for key, value in state.items()}, folder / file)
    else:
        torch.save(state, folder / file)
    model.load_state_dict({key: value.float() for key, value in state.items()})
    config = dict(config, **({"custom_text": True} if custom else {}))
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=1)
    )
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(size=16, **preprocess), is_train=False
    )
    with torch.no_grad():
        model = model.double()
        image = model.encode_image(transform(photo())[None].double())
        text = model.encode_text(open_clip.tokenize(PROMPTS, config["text_cfg"]["context_length"]))
    write(name, folder, image, text)


def of_transformers(name, seed, activation, head_width, how, **sizes):
    vision = {"hidden_size": head_width, "intermediate_size": 4 * head_width, "num_attention_heads": 1,
              "num_hidden_layers": 1, "image_size": 16, "patch_size": 8, "hidden_act": activation}
    text = {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2,
            "hidden_act": activation, "bos_token_id": 49406, "eos_token_id": 49407}
    vision.update(sizes.get("vision", {}))
    text.update(sizes.get("text", {}))
    if how == "safetensors":
        vision["layer_norm_eps"] = text["layer_norm_eps"] = 1e-3
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    config._attn_implementation = "eager"
    model = randomise(transformers.CLIPModel(config), seed)
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_mean=MEAN, image_std=STD
    )
    folder = scratch()
    if how == "sharded":
        model = model.to(torch.bfloat16)
        model.save_pretrained(folder, max_shard_size="2MB")
        model = model.float()
    elif how == "safetensors":
        model.save_pretrained(folder)
    else:
        # As torch.save wrote it before PyTorch 1.6, with position_ids and a configuration of that time.
        state = model.state_dict()
        state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        state["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
        save_as_before_1_6(state, folder / "pytorch_model.bin")
        old = {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 8,
               "text_config": {"model_type": "clip_text_model"}, "vision_config": {"model_type": "clip_vision_model"},
               "text_config_dict": text, "vision_config_dict": vision}
        (folder / "config.json").write_text(json.dumps(old, indent=1))
    processor.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    pixels = np.asarray(photo().resize((22, 16), Image.BICUBIC).crop((3, 0, 19, 16)))
    pixels = (torch.from_numpy(pixels).double() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        model = model.double()
        image = model.get_image_features(pixel_values=pixels.permute(2, 0, 1)[None])
        tokens = open_clip.tokenize(PROMPTS, text.get("max_position_embeddings", 77))
        text = model.get_text_features(input_ids=tokens)
        image, text = [getattr(features, "pooler_output", features) for features in (image, text)]
    write(name, folder, image, text)


squashed = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
shortest = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic", "resize_mode": "shortest"}
bilinear = {"mean": MEAN, "std": STD, "interpolation": "bilinear", "resize_mode": "squash"}
of_open_clip("open-clip-gelu", 1, False, 80, squashed, "open_clip_model.safetensors")
of_open_clip("open-clip-quick-gelu", 2, True, 64, shortest, "open_clip_pytorch_model.bin")
of_open_clip("open-clip-custom-text", 3, False, 64, bilinear, "open_clip_model.safetensors", True, torch.float16)
of_transformers("transformers-gelu", 4, "gelu", 80, "safetensors")
of_transformers("transformers-quick-gelu-sharded", 5, "quick_gelu", 64, "sharded")
of_transformers("transformers-old", 6, "gelu", 64, "old")
# The ratios of H-14 and bigG-14: many heads, other widths in each tower, feed-forward layers that are not four times as wide.
of_open_clip("open-clip-many-heads", 7, False, 80, shortest, "open_clip_model.safetensors", embed_dim=24,
             vision={"width": 160, "mlp_ratio": 4.9231}, text={"width": 48, "heads": 6})
of_transformers("transformers-many-heads", 8, "gelu", 80, "safetensors",
                vision={"hidden_size": 160, "num_attention_heads": 2, "intermediate_size": 197},
                text={"hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 100})
# Prompts of another length than CLIP's 77 tokens.
of_open_clip("open-clip-short-context", 9, False, 64, shortest, "open_clip_model.safetensors", text={"context_length": 32})
of_transformers("transformers-short-context", 10, "quick_gelu", 64, "safetensors", text={"max_position_embeddings": 16})
