"""CLIP ViT-B/32 as its authors trained it: 400 million pairs, 32 epochs, batches of 32,768. For a cluster.

Paper: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", §2.5, Tables 18-19.
Command, on each of N machines (docs/train-many-machines.md):
    torchrun --nnodes N --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 --max-restarts 3 \
        -m wordsight train recipes/vit_b32_wit.py --resume --set 'data.pairs=/shards/{000000..041455}.tar'
Hardware: GPUs with bf16 whose number divides 32,768. The towers see `compute.chunk` pairs at once on each, the loss all
    32,768, so fewer GPUs take longer and need no other setting.
Time: 12.8 billion pairs at about 44 GFlop each, forward and backward: 5.7e20 Flop, or 16 GPUs that really reach 300
    Tflop/s each for a day and a half, and a sixth more where chunks go through the towers twice; not run by this
    project, which had no such machines.
Expected: the paper's collection (WIT) is not public. With it ViT-B/32 has 63.2 % zero-shot on ImageNet (Table 11); with
    LAION-400M and this recipe's settings open_clip reports 62.9 % (its model `ViT-B-32/laion400m_e32`).

Shards are webdataset's, as img2dataset writes them. A smoke run on any machine:
    wordsight train recipes/vit_b32_wit.py --set data.pairs=my/shards --set batch=64 --set compute.precision=f32 \
        --set epochs=none --set steps=10 --set data.samples=none --set data.workers=0 --set compute.compile=false
"""

from wordsight.train import ComputeConfig, DataConfig, ObjectiveConfig, OptimConfig, TrainConfig, WatchConfig, size


def recipe() -> TrainConfig:
    """Paper's settings; where the shards are is for `--set data.pairs=…` to say."""
    return TrainConfig(
        model=size("ViT-B-32"),
        data=DataConfig(pairs=("shards/{000000..041455}.tar",), samples=400_000_000, workers=8),
        batch=32_768,
        epochs=32,
        objective=ObjectiveConfig(name="info_nce", tile=2048),
        optim=OptimConfig(lr=5e-4, beta1=0.9, beta2=0.98, eps=1e-6, weight_decay=0.2, warmup=2000, clip=None),
        compute=ComputeConfig(precision="bf16", chunk=1024, checkpointing=False, compile=True),
        watch=WatchConfig(log_every=20, save_every=1000, keep=3, tensorboard=True),
    )
