"""File layouts: for each, its names ↔ canonical names and its configuration ↔ ModelSpec, both ways.

`openai` (.pt), `open_clip`, `hf_clip` and `hf_siglip` hold one layout each; `weights.validate` checks the result.
Tensors are only renamed, transposed, split and joined: every bit of every number is kept.
"""

SUPPORTED = (
    "wordsight reads CLIP with a vision transformer (class token), OpenAI's ModifiedResNet or a plain ResNet, "
    "and SigLIP / SigLIP 2 of fixed resolution"
)
