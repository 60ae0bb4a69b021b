"""Learn one method on one study: a job in, a result out, nothing else touched."""

import logging
import warnings
from collections.abc import Callable

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from unrolled import registry
from unrolled.data.system import of
from unrolled.models.initialiser import Setting
from unrolled.models.network import Network
from unrolled.training.batches import PopulationData
from unrolled.training.job import Array, Job, Replica, Result, Trained, choose, feeds_back
from unrolled.training.population import History, Population

Progress = Callable[[History, list[Replica]], None]
LOSSES = ("train_loss", "val_loss")


def setting_of(job: Job, network: Network) -> Setting:
    """Return what the job's initialiser may know."""
    return Setting(
        shapes=network.shapes,
        system=of(job.study),
        step=job.study.step,
        steps=job.splits["train"]["inputs"].shape[1],
        keeps=network.cell.keeps,
        writes=network.cell.writes,
        options=job.method.options,
    )


def initial_weights(job: Job, network: Network, replicas: list[Replica]) -> Tensor:
    """Draw θ (S, P): the weights of a replica depend on its seed alone."""
    initialise = registry.load("initialisers", str(job.method.initialiser)).initialise
    setting, rows = setting_of(job, network), {}
    for seed in sorted({seed for seed, _ in replicas}):
        weights = initialise(setting, np.random.default_rng([seed, 0]))
        rows[seed] = network.pack({name: torch.from_numpy(np.asarray(array)) for name, array in weights.items()})
    return torch.stack([rows[seed] for seed, _ in replicas]).float()


def trainer(epochs: int) -> pl.Trainer:
    """Return a quiet Lightning trainer; it takes a GPU when there is one."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def learn(job: Job, progress: Progress = lambda history, replicas: None) -> Result:
    """Train the population of a job and predict with its best weights of the best trial.

    The first seeds try every trial; the other seeds learn with the chosen one alone. A replica is
    the same in either round, so nothing depends on who is trained beside it.
    """
    network, task = job.network(), job.task()
    rounds = [_train(job, network, job.first(), progress)]
    chosen = choose(rounds[0]["trials"], rounds[0]["best_loss"], rounds[0]["diverged"])
    trial = int(rounds[0]["trials"][chosen[0]])
    if job.rest(trial):
        rounds.append(_train(job, network, job.rest(trial), progress))
    # Losses are (epochs, S), all others (S, ...).
    arrays = {key: np.concatenate([each[key] for each in rounds], axis=int(key in LOSSES)) for key in rounds[0]}
    chosen = np.flatnonzero(arrays["trials"] == trial)
    model = Trained(network, torch.from_numpy(arrays["theta"][chosen]), task.last, feeds_back(job.method))
    return Result(
        **arrays | {"passes": arrays["passes"][0]}, chosen=chosen, predictions=task.predict(model, job.splits)
    )


def _train(job: Job, network: Network, replicas: list[Replica], progress: Progress) -> dict[str, Array]:
    """Return what a population of these replicas has learned: the arrays of a `Result`."""
    seeds, numbers = zip(*replicas, strict=True)
    rates, clip_norm, clip_value = map(torch.tensor, zip(*(job.trials()[n] for n in numbers), strict=True))
    optimiser = registry.load("optimisers", str(job.method.optimiser))(job.method.options)
    theta, last = initial_weights(job, network, replicas), job.task().last
    data = PopulationData(job.splits, job.study.batch, list(seeds), job.method.input_noise or 0.0)
    updates = job.study.epochs * len(data.train_dataloader())
    population = Population(
        network,
        optimiser,
        theta,
        rates,
        last,
        clip_norm,
        clip_value,
        lambda history: progress(history, replicas),
        updates if job.study.schedule == "cosine" else None,
    )
    optimiser.begin(population, data.train[:])
    if optimiser.iterative:
        with warnings.catch_warnings():
            # Batches are index look-ups, so loader workers would only cost; the optimiser is an item;
            # LeafSpec is Lightning's own use of PyTorch.
            warnings.filterwarnings("ignore", message=".*(does not have many workers|returned `None`|LeafSpec).*")
            trainer(job.study.epochs).fit(population, datamodule=data)
    optimiser.finish(population, data.train[:], data.val[:])
    arrays = _arrays(job, population.cpu(), replicas)
    return arrays | ({"best_loss": _alone(job, network, arrays["theta"])} if feeds_back(job.method) else {})


def _alone(job: Job, network: Network, theta: Array) -> Array:
    """Return the validation loss (S,) of networks that get their own output, as they will in the test."""
    x, y = (torch.from_numpy(job.splits["val"][name]) for name in ("inputs", "targets"))
    found = Trained(network, torch.from_numpy(theta), job.task().last, feeds_back=True).simulate(x)
    loss: Array = (found - y).square().flatten(1).mean(dim=1).nan_to_num(torch.inf, torch.inf).numpy()
    return loss


def _arrays(job: Job, population: Population, replicas: list[Replica]) -> dict[str, Array]:
    def table(name: str) -> Array:
        rows = population.history[name]
        return torch.stack(rows).numpy() if rows else np.empty((0, len(replicas)), np.float32)

    passes = np.array(list(population.passes.values())) / len(job.splits["train"]["inputs"])
    return {
        "theta": population.best.numpy(),
        "halfway": population.halfway.numpy(),
        "seeds": np.array([seed for seed, _ in replicas]),
        "rates": np.array([job.trials()[number].rate for _, number in replicas]),
        "trials": np.array([number for _, number in replicas]),
        "best_loss": population.best_loss.numpy(),
        "diverged": ~population.alive.numpy(),
        "train_loss": table("train"),
        "val_loss": table("val"),
        "passes": np.tile(passes, (len(replicas), 1)),
    }
