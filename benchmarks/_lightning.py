"""Training under Lightning, timed, and what one would write there with `torch.nn`."""

import logging
import warnings
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

PEERS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}
WARM, RATE = 2, 1e-3
"""Batches before those that count, and the learning rate."""


class Clock(pl.Callback):
    """Seconds from the end of the warm-up to the end of the epoch."""

    begun = spent = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int) -> None:
        """Begin after the warm-up."""
        if index == WARM:
            self.begun = perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Stop."""
        self.spent = perf_counter() - self.begun


def fit(module: pl.LightningModule, batches: list[Any]) -> float:
    """Return the seconds that Lightning takes for all batches but the first `WARM`."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    clock = Clock()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", devices=1, callbacks=[clock], enable_model_summary=False, **quiet
        )
        trainer.fit(module, DataLoader(batches, batch_size=None))
    return clock.spent


class Single(pl.LightningModule):
    """What one would write with `torch.nn`: a recurrent layer, a linear one, Adam."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.cell = getattr(nn, PEERS[cell])(1, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Return the mean square error."""
        x, y = batch
        return nn.functional.mse_loss(self.readout(self.cell(x)[0]), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), RATE)
