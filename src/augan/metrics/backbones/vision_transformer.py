"""Vision transformers (arXiv:2010.11929) as DINOv2 and CLIP publish them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from augan.core.errors import UserError

HEAD_WIDTH = 64
OFFSET = 0.1
"""DINOv2 scales its grid of position embeddings by (new + 0.1) / old."""


class _Block(nn.Module):
    """Attention and a two-layer network, each behind a normalisation, scaled, and added."""

    def __init__(self, width: int, epsilon: float, quick: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.quick = quick

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.scale1 * self._attention(self.norm1(tokens))
        inner = self.inner(self.norm2(tokens))
        inner = inner * torch.sigmoid(1.702 * inner) if self.quick else F.gelu(inner)
        return tokens + self.scale2 * self.outer(inner)

    def _attention(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        query, key, value = (
            self.qkv(tokens).view(batch, count, 3, -1, min(HEAD_WIDTH, width)).permute(2, 0, 3, 1, 4).unbind(0)
        )
        joined = F.scaled_dot_product_attention(query, key, value)
        return self.out(joined.transpose(1, 2).reshape(batch, count, width))


class VisionTransformer(nn.Module):
    """(b, 3, h, w), resized and normalised, h and w multiples of the patch -> features of the class token."""

    def __init__(self, width: int, depth: int, patch: int, places: int, project: int | None) -> None:
        """`project`: the size of CLIP's linear projection; None makes a DINOv2."""
        super().__init__()
        clip = project is not None
        epsilon = 1e-5 if clip else 1e-6
        self.patches = nn.Conv2d(3, width, patch, patch, bias=not clip)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, places, width))
        self.before = nn.LayerNorm(width, epsilon) if clip else nn.Identity()
        self.blocks = nn.ModuleList(_Block(width, epsilon, quick=clip) for _ in range(depth))
        self.after = nn.LayerNorm(width, epsilon)
        self.projection = nn.Parameter(torch.zeros(width, project)) if project is not None else None

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Features (b, width), or (b, project) for CLIP; not normalised to a length."""
        maps = self.patches(images)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), maps.flatten(2).transpose(1, 2)], 1)
        tokens = self.before(tokens + self._positions_for(maps.shape[2], maps.shape[3]))
        for block in self.blocks:
            tokens = block(tokens)
        features = self.after(tokens[:, 0])
        return features if self.projection is None else features @ self.projection

    def _positions_for(self, height: int, width: int) -> Tensor:
        """The embeddings of a grid of patches, bicubic from the grid that was learnt."""
        side = isqrt(self.positions.shape[1] - 1)
        if height * width == side * side and height == width:
            return self.positions
        grid = self.positions[:, 1:].view(1, side, side, -1).permute(0, 3, 1, 2)
        scale = [(count + OFFSET) / side for count in (height, width)]
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False)
        return torch.cat([self.positions[:, :1], grid.flatten(2).transpose(1, 2)], 1)


DINOV2_NAMES = (
    (r"^cls_token$", "class_token"),
    (r"^pos_embed$", "positions"),
    (r"^patch_embed\.proj\.", "patches."),
    (r"^norm\.", "after."),
    (r"attn\.qkv", "qkv"),
    (r"attn\.proj", "out"),
    (r"mlp\.fc1", "inner"),
    (r"mlp\.fc2", "outer"),
    (r"ls([12])\.gamma", r"scale\1"),
)
CLIP_NAMES = (
    (r"^class_embedding$", "class_token"),
    (r"^positional_embedding$", "positions"),
    (r"^conv1\.", "patches."),
    (r"^ln_pre\.", "before."),
    (r"^ln_post\.", "after."),
    (r"^proj$", "projection"),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"attn\.in_proj_", "qkv."),
    (r"attn\.out_proj", "out"),
    (r"\.ln_", ".norm"),
    (r"mlp\.c_fc", "inner"),
    (r"mlp\.c_proj", "outer"),
)


def dinov2(state: Mapping[str, Tensor]) -> VisionTransformer:
    """DINOv2 (arXiv:2304.07193) of any size with a published file's weights, in evaluation mode.

    Raises:
        UserError: `state` does not hold one.
    """
    named = _renamed({name: value for name, value in state.items() if name != "mask_token"}, DINOV2_NAMES)
    return _built(named, clip=False, meant="DINOv2")


def clip_visual(state: Mapping[str, Tensor]) -> VisionTransformer:
    """The image half of a CLIP with a vision transformer (arXiv:2103.00020), in evaluation mode.

    Raises:
        UserError: `state` does not hold one.
    """
    visual = {name[7:]: value for name, value in state.items() if name.startswith("visual.")}
    named = _renamed(visual, CLIP_NAMES)
    for name, axes in (("class_token", 3), ("positions", 3)):
        if name in named:
            named[name] = named[name].view((1,) * (axes - named[name].ndim) + tuple(named[name].shape))
    for name in [name for name in named if name.endswith("norm1.weight")]:  # CLIP does not scale what it adds
        for scale in ("scale1", "scale2"):
            named[name.replace("norm1.weight", scale)] = torch.ones_like(named[name])
    return _built(named, clip=True, meant="CLIP's vision transformer")


def _renamed(state: Mapping[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    renamed = {}
    for old, value in state.items():
        name = old
        for pattern, new in names:
            name = re.sub(pattern, new, name)
        renamed[name] = value
    return renamed


def _built(state: dict[str, Tensor], clip: bool, meant: str) -> VisionTransformer:
    try:
        width, _, patch, _ = state["patches.weight"].shape
        places = state["positions"].shape[1]
        if width % min(HEAD_WIDTH, width) or isqrt(places - 1) ** 2 != places - 1:
            raise ValueError(f"{width} channels and {places} positions are no whole heads on a square grid")
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        project = state["projection"].shape[1] if clip else None
        network = VisionTransformer(width, depth, patch, places, project)
        network.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError, IndexError) as error:
        raise UserError(f"The weights are not those of {meant}.") from error
    return network.eval().requires_grad_(False)
