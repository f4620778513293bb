"""Training steps of methods that learn inside of CLIP's towers, or from many texts, in plain PyTorch, to compare with.

    python towers.py --method maple [--dump DIR]

As the authors compute them: prompts padded to 77 tokens, frozen weights without gradients, one pass of the text tower
for each image in CoCoOp. Needs: torch, safetensors. Weights and inputs are random. Prints one JSON line: seconds per
step (median), peak resident memory, the losses. `--dump DIR` also writes weights (OpenAI's names) and inputs, so that
another program can take the same steps.
"""
import argparse
import json
import os
import random
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--method", choices=["maple", "cocoop", "clip-lora"], required=True)
parser.add_argument("--classes", type=int, default=50)
parser.add_argument("--batch", type=int)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--dump")
args = parser.parse_args()
args.batch = args.batch or {"maple": 4, "cocoop": 8, "clip-lora": 8}[args.method]
torch.manual_seed(args.seed)
random.seed(args.seed)
torch.set_num_threads(args.threads)

# Words with their one token, of which class names are made.
WORDS = dict(
    face=1710, leopard=15931, motorbike=33341, accordion=48760, airplane=16451, forest=4167, great=830, white=1579,
    shark=7980, dog=1929, fish=2759, store=2183, player=2477, road=1759, lake=2553, sea=2102, building=2307,
    apartment=8285, indoor=9546, crop=9955, land=973, yellow=4481, lady=2909, slipper=39644, pocket=8504,
    orchid=18678, permanent=11144, annual=2906,
)
START, END, STOP, PHOTO, LENGTH, TEXT = 49406, 49407, 269, [320, 1125, 539, 320], 77, 512
names = [random.sample(sorted(WORDS), random.choice([1, 2, 2, 3])) for _ in range(args.classes)]


class Attention(nn.Module):
    """nn.MultiheadAttention's parameters, and low-rank deltas on queries, keys and values if there are any."""

    def __init__(self, width, heads):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.heads, self.lora = heads, None

    def forward(self, x, causal):
        n, t, width = x.shape
        if self.lora is None:
            q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            q, k, v = (
                F.linear(x, w, b) + F.linear(F.linear(F.dropout(x, args.dropout), down), up) * 2**-0.5
                for w, b, (down, up) in zip(self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), self.lora)
            )
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(y.transpose(1, 2).reshape(n, t, width))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attn, self.ln_1, self.ln_2 = Attention(width, width // 64), nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * width, width))

    def forward(self, x, causal):
        x = x + self.attn(self.ln_1(x), causal)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, layers):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width) for _ in range(layers))


class Visual(nn.Module):
    def __init__(self, width, layers, patch, embed):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn(1 + (224 // patch) ** 2, width) * width**-0.5)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, layers)
        self.proj = nn.Parameter(torch.randn(width, embed) * width**-0.5)

    def forward(self, x, prompts=()):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        if prompts:
            x = torch.cat([x, prompts[0].expand(len(x), -1, -1)], 1)
        x = self.ln_pre(x)
        for layer, block in enumerate(self.transformer.resblocks):
            if 0 < layer < len(prompts):
                x = torch.cat([x[:, : -len(prompts[layer])], prompts[layer].expand(len(x), -1, -1)], 1)
            x = block(x, False)
        return self.ln_post(x[:, 0]) @ self.proj


class CLIP(nn.Module):
    def __init__(self, embed, width, layers, patch):
        super().__init__()
        self.visual = Visual(width, layers, patch, embed)
        self.transformer = Transformer(TEXT, 12)
        self.token_embedding = nn.Embedding(49408, TEXT)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.positional_embedding = nn.Parameter(torch.randn(LENGTH, TEXT) * 0.01)
        self.ln_final = nn.LayerNorm(TEXT)
        self.text_projection = nn.Parameter(torch.randn(TEXT, embed) * TEXT**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(4.6052))

    def text(self, x, ends, prompts=()):
        x = x + self.positional_embedding
        for layer, block in enumerate(self.transformer.resblocks):
            if 0 < layer < len(prompts):
                own = prompts[layer].expand(len(x), -1, -1)
                x = torch.cat([x[:, :1], own, x[:, 1 + own.shape[1]:]], 1)
            x = block(x, True)
        return self.ln_final(x[torch.arange(len(x)), ends]) @ self.text_projection


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


embed, width, layers, patch = {"maple": (512, 768, 12, 16), "cocoop": (1024, 64, 1, 224), "clip-lora": (512, 768, 12, 32)}[args.method]
clip = CLIP(embed, width, layers, patch)
for parameter in clip.parameters():
    parameter.requires_grad_(False)
weights = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
scale = clip.logit_scale.exp()
n_ctx = {"maple": 2, "cocoop": 4, "clip-lora": 0}[args.method]
ids = torch.zeros(args.classes, LENGTH, dtype=torch.int64)
for row, name in zip(ids, names):
    words = [0] * n_ctx if n_ctx else PHOTO
    tokens = [START] + words + [WORDS[word] for word in name] + [STOP, END]
    row[: len(tokens)] = torch.tensor(tokens)
ends = (ids == END).int().argmax(-1)
embedded = clip.token_embedding(ids)
pixels = torch.randn(args.batch, 3, 224, 224)
features = torch.randn(args.batch, embed)
labels = torch.randint(0, args.classes, (args.batch,))
learned = {}


def learn(name, *shape, std):
    learned[name] = (torch.randn(*shape) * std).requires_grad_()
    return learned[name]


def with_contexts(contexts):
    contexts = contexts.expand(args.classes, -1, -1)
    return torch.cat([embedded[:, :1], contexts, embedded[:, 1 + n_ctx:]], 1)


if args.method == "maple":
    DEPTH = 9
    tokens = [learn(f"text.{layer}", n_ctx, TEXT, std=0.02) for layer in range(DEPTH)]
    maps = [(learn(f"map.{layer}.weight", width, TEXT, std=TEXT**-0.5), learn(f"map.{layer}.bias", width, std=0.02)) for layer in range(DEPTH)]

    def loss():
        visual = [F.linear(own, *own_map) for own, own_map in zip(tokens, maps)]
        text = clip.text(with_contexts(tokens[0]), ends, tokens)
        return F.cross_entropy(scale * unit(clip.visual(pixels, visual)) @ unit(text).t(), labels)
elif args.method == "cocoop":
    ctx = learn("ctx", n_ctx, TEXT, std=0.02)
    first = learn("meta.0.weight", embed // 16, embed, std=embed**-0.5), learn("meta.0.bias", embed // 16, std=0.02)
    second = learn("meta.1.weight", TEXT, embed // 16, std=0.02), learn("meta.1.bias", TEXT, std=0.02)

    def loss():
        images = unit(features)
        shifts = F.linear(F.relu(F.linear(images, *first)), *second)
        logits = [scale * image @ unit(clip.text(with_contexts(ctx + shift), ends)).t() for image, shift in zip(images, shifts)]
        return F.cross_entropy(torch.stack(logits), labels)
else:
    for tower, transformer in [("image", clip.visual.transformer), ("text", clip.transformer)]:
        for layer, block in enumerate(transformer.resblocks):
            size = block.ln_1.weight.numel()
            block.attn.lora = [
                (learn(f"{tower}.{layer}.{part}.down", 2, size, std=size**-0.5), learn(f"{tower}.{layer}.{part}.up", size, 2, std=0.02))
                for part in "qkv"
            ]

    def loss():
        return F.cross_entropy(scale * unit(clip.visual(pixels)) @ unit(clip.text(embedded, ends)).t(), labels)

if args.dump:
    os.makedirs(args.dump, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, f"{args.dump}/weights.safetensors")
    inputs = {f"learned.{name}": tensor.detach().clone() for name, tensor in learned.items()}
    save_file(inputs | {"pixels": pixels, "features": features, "labels": labels}, f"{args.dump}/inputs.safetensors")
    said = dict(method=args.method, steps=args.steps, n_ctx=n_ctx, dropout=args.dropout, class_names=[" ".join(name) for name in names])
    with open(f"{args.dump}/towers.json", "w") as file:
        json.dump(said, file)

if args.method == "clip-lora":
    optimiser = torch.optim.AdamW(learned.values(), lr=2e-4, weight_decay=0.01)
else:
    optimiser = torch.optim.SGD(learned.values(), lr=0.002, momentum=0.9, weight_decay=5e-4)
seconds, losses = [], []
for _ in range(args.steps):
    started = time.perf_counter()
    value = loss()
    optimiser.zero_grad()
    value.backward()
    optimiser.step()
    seconds.append(time.perf_counter() - started)
    losses.append(value.item())
print(json.dumps({
    "method": args.method, "classes": args.classes, "seconds_per_step": statistics.median(seconds),
    "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "losses": losses,
    "comparable": args.steps if args.dropout == 0 else 0,
}))
