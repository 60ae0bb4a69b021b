"""The LightningDataModule: each replica draws its batches in its own order."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unrolled.data.task import Split


class Sequences(Dataset[tuple[Tensor, Tensor]]):
    """All sequences of a split; an index of any shape picks that many at once."""

    def __init__(self, split: Split) -> None:
        self.inputs, self.targets = torch.from_numpy(split["inputs"]), torch.from_numpy(split["targets"])

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        return self.inputs[index], self.targets[index]


class ReplicaBatches:
    """Indices (S, B) of one epoch: row i is a slice of replica i's own permutation.

    A permutation depends on the replica's seed and the epoch alone, not on who trains beside it.
    """

    def __init__(self, count: int, batch: int, seeds: list[int]) -> None:
        self.count, self.batch, self.seeds, self.epoch = count, batch, seeds, 0

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[Tensor]:
        orders = {s: np.random.default_rng([s, self.epoch, 1]).permutation(self.count) for s in set(self.seeds)}
        rows = torch.from_numpy(np.stack([orders[s] for s in self.seeds]))
        self.epoch += 1
        return iter(rows.split(self.batch, dim=1))


class PopulationData(pl.LightningDataModule):
    """Training batches (S, B, T, D); validation data (1, N, T, D), the same for every replica.

    `noise` is the standard deviation of what training batches get on their inputs, drawn from each
    replica's own generator.
    """

    def __init__(self, train: Split, val: Split, batch: int, seeds: list[int], noise: float = 0.0) -> None:
        super().__init__()
        self.train, self.val = Sequences(train), Sequences(val)
        self.batch, self.seeds, self.noise = batch, seeds, noise
        self.noises = {seed: np.random.default_rng([seed, 2]) for seed in seeds}

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return the batches of an epoch."""
        order: Any = ReplicaBatches(len(self.train), self.batch, self.seeds)
        return DataLoader(self.train, sampler=order, batch_size=None)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Add the noise to the inputs of a training batch (Lightning calls this for every batch)."""
        if not self.noise or self.trainer is None or not self.trainer.training:
            return batch
        x, y = batch
        draws = {seed: random.standard_normal(x.shape[1:], np.float32) for seed, random in self.noises.items()}
        noise = torch.from_numpy(np.stack([draws[seed] for seed in self.seeds]))
        return x + self.noise * noise.to(x.device), y

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return all validation sequences as one batch."""
        everything: Any = [torch.arange(len(self.val))[None]]
        return DataLoader(self.val, sampler=everything, batch_size=None)
