"""Training a run: from initial weights to its result."""

import logging
import warnings
from functools import partial

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment  # type: ignore[attr-defined]

from unrolled import environment, registry
from unrolled.data.task import Data
from unrolled.models.build import autoregressive
from unrolled.models.network import Network
from unrolled.training.batches import PopulationData
from unrolled.training.centring import Centring
from unrolled.training.optimiser import Optimiser
from unrolled.training.parts import NOWHERE, Arrays, Parts, Progress, split
from unrolled.training.population import Population
from unrolled.training.runs import Array, Replica, Result, Run, choose, initial_weights
from unrolled.training.update import CompiledUpdate, supports

LOSSES = ("train_loss", "val_loss")


def fit(run: Run, data: Data, progress: Progress = lambda epochs: None, parts: Parts = NOWHERE) -> Result:
    """Train the population of a run and predict with its best weights of the chosen hyperparameters.

    The first seeds try all hyperparameters; the other seeds train with the chosen ones only. A replica is
    the same in either round, so nothing depends on who is trained beside it.

    Parameters
    ----------
    data : Data
        Of the study.
    progress : callable, optional
        Called after each epoch with 1, or with the share of the replicas that are trained at a time.
    parts : Parts, optional
        Where what is trained of a long run is kept, so that it goes on from there.
    """
    data = run.select(data)
    network, centring = run.network(data), Centring(data) if run.method.centred else None
    given = centring.apply(data) if centring else data

    def train(replicas: list[Replica]) -> list[Arrays]:
        return parts.train(split(run, data, replicas), partial(_train, run, network, given), progress)

    rounds = train(run.tuning_replicas())
    tried, best_loss, diverged = (
        np.concatenate([each[k] for each in rounds]) for k in ("tried", "best_loss", "diverged")
    )
    number = int(tried[choose(tried, best_loss, diverged)[0]])
    if final := run.final_replicas(number):
        rounds += train(final)
    # Losses are (epochs, S), all others (S, ...).
    arrays = {key: np.concatenate([each[key] for each in rounds], axis=int(key in LOSSES)) for key in rounds[0]}
    if centring:
        arrays |= {key: centring.undo(network, arrays[key]) for key in ("theta", "halfway")}
    chosen = np.flatnonzero(arrays["tried"] == number)
    predictions = _predictions(run, network, data, arrays["theta"][chosen])
    return Result(**arrays | {"passes": arrays["passes"][0]}, chosen=chosen, predictions=predictions)


def _predictions(run: Run, network: Network, data: Data, theta: Array) -> dict[str, Array]:
    """Return the predictions of weights θ (S, P) on each test set.

    Of equal weights they are equal: sums of a batch round by their place in it, which chaos would make into a spread.
    """
    ensemble = run.ensemble(network, theta)
    found: dict[str, Array] = {name: ensemble.predict(test) for name, test in data.tests.items()}
    if len(theta) > 1 and (theta == theta[0]).all():
        return {name: np.repeat(each[:1], len(theta), axis=0) for name, each in found.items()}
    return found


def _train(run: Run, network: Network, data: Data, replicas: list[Replica], progress: Progress) -> Arrays:
    """Return what comes of a population of these replicas: the arrays of a `Result`."""
    seeds, numbers = zip(*replicas, strict=True)
    learning_rates, clip_norm, clip_value, omega = map(
        torch.tensor, zip(*(run.hyperparameters[n][:4] for n in numbers), strict=True)
    )
    optimiser: Optimiser = registry.make("optimisers", run.method.optimiser, run.method.options)
    budget = run.fit
    validation = run.validation(data)
    batches = PopulationData(data.train, vars(validation), budget.batch, list(seeds), run.method.input_noise or 0.0)
    updates = budget.epochs * batches.updates
    population = Population(
        network,
        optimiser,
        initial_weights(run, network, data, replicas),
        learning_rates,
        run.task.many_to_one,
        clip_norm,
        clip_value,
        progress,
        updates if budget.schedule == "cosine" else None,
        (validation.mode, autoregressive(run.method)),
        updates,
        run.task.loss,
        omega,
    )
    optimiser.begin(population, batches.train[:])
    if optimiser.iterative:
        with warnings.catch_warnings():
            # Batches are index look-ups, so loader workers would only cost; the optimiser is an item;
            # LeafSpec is Lightning's own use of PyTorch; a GPU is left alone because small networks are slower there.
            ignored = "does not have many workers|returned `None`|LeafSpec|GPU available but not used"
            warnings.filterwarnings("ignore", message=f".*({ignored}).*")
            lightning = trainer(budget.epochs)
            if supports(population, batches, lightning.strategy.root_device) is None:
                population.train_epoch, batches.whole_epochs = CompiledUpdate(population, batches).epoch, True
            lightning.fit(population, datamodule=batches)
    optimiser.finish(population, batches.train[:], batches.val[:])
    return _arrays(run, data, population.cpu(), replicas)


def trainer(epochs: int) -> pl.Trainer:
    """Return a quiet Lightning trainer on the CPU, or on what `UNROLLED_ACCELERATOR` names (`gpu`, `auto`).

    It has this process alone, whatever SLURM or torchrun has started.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        max_epochs=epochs,
        accelerator=environment.value("UNROLLED_ACCELERATOR") or "cpu",
        devices=1,
        plugins=[LightningEnvironment()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _arrays(run: Run, data: Data, population: Population, replicas: list[Replica]) -> Arrays:
    def losses(name: str) -> Array:
        rows = population.history[name]
        return torch.stack(rows).numpy() if rows else np.empty((0, len(replicas)), np.float32)

    passes = np.array(list(population.passes.values())) / len(data.train["inputs"])
    return {
        "theta": population.best.numpy(),
        "halfway": population.halfway.numpy(),
        "seeds": np.array([seed for seed, _ in replicas]),
        "learning_rates": np.array([run.hyperparameters[number].learning_rate for _, number in replicas]),
        "tried": np.array([number for _, number in replicas]),
        "best_loss": population.best_loss.numpy(),
        # A loss that was never finite has chosen no weights: what is there is how they started.
        "diverged": ~(population.active & torch.isfinite(population.best_loss)).numpy(),
        "train_loss": losses("train"),
        "val_loss": losses("val"),
        "passes": np.tile(passes, (len(replicas), 1)),
    }
