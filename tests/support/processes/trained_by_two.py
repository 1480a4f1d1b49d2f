"""Runs on two processes, in peace and gone on with: torchrun --nproc-per-node 2 trained_by_two.py TABLE FOLDER."""

import shutil
import sys
from pathlib import Path

import torch.distributed as dist
from training import quickly, small_run

from wordsight.train.loop import train


def main(table, folder):
    dist.init_process_group("gloo")
    for way in ("ddp", "fsdp"):
        config = small_run(table, steps=4, watch__save_every=2, optim__ema=0.9, compute__patch_dropout=0.5,
                           compute__sharding=way, compute__chunk=2)  # fmt: skip
        whole, resumed = folder / way / "whole", folder / way / "resumed"
        train(config, whole)
        dist.barrier()
        if dist.get_rank() == 0:
            shutil.copytree(whole / "checkpoints" / "step_00000002", resumed / "checkpoints" / "step_00000002")
            shutil.copy(whole / "config.json", resumed)
        dist.barrier()
        train(config, resumed, resume=True)
        dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    with quickly():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
