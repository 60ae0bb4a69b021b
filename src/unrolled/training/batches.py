"""The LightningDataModule: each replica draws its batches in its own order."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unrolled.data.task import Array, Split
from unrolled.training.runs import NOISE, ORDER


class Sequences(Dataset[tuple[Tensor, Tensor]]):
    """All sequences of a split; an index of any shape picks that many at once."""

    def __init__(self, split: Split) -> None:
        self.inputs, self.targets = torch.from_numpy(split["inputs"]), torch.from_numpy(split["targets"])

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        return self.inputs[index], self.targets[index]


class Indices(Dataset[Tensor]):
    """The indices themselves, for what picks the sequences itself."""

    def __getitem__(self, index: Any) -> Tensor:
        return torch.as_tensor(index)


class ReplicaBatches:
    """Indices (S, B) of one epoch: row i is a slice of replica i's own permutation.

    A permutation depends on the replica's seed and the epoch alone, not on who trains beside it.
    """

    def __init__(self, count: int, batch: int, seeds: list[int]) -> None:
        self.count, self.batch, self.seeds, self.epoch = count, batch, seeds, 0

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[Tensor]:
        orders = {s: np.random.default_rng([s, self.epoch, ORDER]).permutation(self.count) for s in set(self.seeds)}
        rows = torch.from_numpy(np.stack([orders[s] for s in self.seeds]))
        self.epoch += 1
        return iter(rows.split(self.batch, dim=1))


class PopulationData(pl.LightningDataModule):
    """Training batches (S, B, T, D); validation data (N, T, D), the same for every replica.

    `noise` is the standard deviation of what training batches get on their inputs, drawn from each
    replica's own generator.

    Attributes
    ----------
    whole_epochs : bool
        Whether the training loader gives the indices (S, N) of a whole epoch in place of batches.
    """

    def __init__(self, train: Split, val: Split, batch: int, seeds: list[int], noise: float = 0.0) -> None:
        super().__init__()
        self.whole_epochs = False
        self.train, self.val = Sequences(train), Sequences(val)
        self.batch, self.seeds, self.noise = batch, seeds, noise
        self.noises = {seed: np.random.default_rng([seed, 0, NOISE]) for seed in seeds}

    @property
    def updates(self) -> int:
        """Batches an epoch."""
        return -(-len(self.train) // self.batch)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of an epoch, or, as one, their indices."""
        order: Any = ReplicaBatches(len(self.train), len(self.train) if self.whole_epochs else self.batch, self.seeds)
        return DataLoader(Indices() if self.whole_epochs else self.train, sampler=order, batch_size=None)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Add the noise to the inputs of a training batch (Lightning calls this for every batch)."""
        if self.whole_epochs or self.trainer is None or not self.trainer.training:
            return batch
        x, y = batch
        noise = self.draw_noise(*x.shape[1:3])
        return batch if noise is None else (x + torch.from_numpy(noise).to(x.device), y)

    def draw_noise(self, batch: int, steps: int) -> Array | None:
        """Return the noise (S, B, T, D) of a training batch, or None if there is none."""
        if not self.noise:
            return None
        shape = batch, steps, self.train.inputs.shape[2]
        draws = {seed: random.standard_normal(shape, np.float32) for seed, random in self.noises.items()}
        return np.float32(self.noise) * np.stack([draws[seed] for seed in self.seeds])

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Return all validation sequences as one batch."""
        everything: Any = [torch.arange(len(self.val))]
        return DataLoader(self.val, sampler=everything, batch_size=None)
