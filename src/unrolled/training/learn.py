"""Learn one method on one study: a job in, a result out, nothing else touched."""

import logging
import warnings
from collections.abc import Callable

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from unrolled import discover
from unrolled.datasets.module import PopulationData
from unrolled.initialisers._base import Setting
from unrolled.systems._base import make
from unrolled.tasks._base import Task
from unrolled.training.job import Array, Job, Result, Trained, choose
from unrolled.training.network import Network
from unrolled.training.population import History, Population


def setting_of(job: Job, network: Network) -> Setting:
    """Return what the job's initialiser may know."""
    return Setting(
        shapes=network.shapes,
        system=make(job.study.system, job.study.parameters),
        step=job.study.step,
        steps=job.splits["train"]["inputs"].shape[1],
        keeps=network.cell.keeps,
        writes=network.cell.writes,
        options=job.method.options,
    )


def initial_weights(job: Job, network: Network) -> Tensor:
    """Draw θ (S, P): the weights of a replica depend on its seed alone."""
    initialise = discover.load("initialisers", str(job.method.initialiser)).initialise
    setting, rows = setting_of(job, network), {}
    for seed in range(job.seeds):
        weights = initialise(setting, np.random.default_rng([seed, 0]))
        rows[seed] = network.pack({name: torch.from_numpy(np.asarray(array)) for name, array in weights.items()})
    return torch.stack([rows[seed] for seed, _ in job.replicas()]).float()


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


def learn(job: Job, progress: Callable[[History], None] = lambda history: None) -> Result:
    """Train the population of a job and predict with its best weights at the best learning rate."""
    network, task = job.network(), job.task()
    seeds, trials = zip(*job.replicas(), strict=True)
    rates, clip_norm, clip_value = map(torch.tensor, zip(*trials, strict=True))
    optimiser = discover.load("optimisers", str(job.method.optimiser))(job.method.options)
    theta = initial_weights(job, network)
    population = Population(network, optimiser, theta, rates, task.last, clip_norm, clip_value, progress)
    data = PopulationData(job.splits, job.study.batch, list(seeds))
    optimiser.begin(population, data.train[:])
    if optimiser.iterative:
        with warnings.catch_warnings():
            # Batches are index look-ups, so loader workers would only cost; the optimiser is an item;
            # LeafSpec is Lightning's own use of PyTorch.
            warnings.filterwarnings("ignore", message=".*(does not have many workers|returned `None`|LeafSpec).*")
            trainer(job.study.epochs).fit(population, datamodule=data)
    optimiser.finish(population, data.train[:], data.val[:])
    return _result(job, population.cpu(), task)


def _result(job: Job, population: Population, task: Task) -> Result:
    seeds = np.array([seed for seed, _ in job.replicas()])
    rates = np.array([trial.rate for _, trial in job.replicas()])
    trials = np.repeat(np.arange(len(job.trials())), job.seeds)
    best_loss, diverged = population.best_loss.numpy(), ~population.alive.numpy()
    chosen = choose(trials, best_loss, diverged)
    model = Trained(population.network, population.best[torch.from_numpy(chosen)], task.last)

    def table(name: str) -> Array:
        rows = population.history[name]
        return torch.stack(rows).numpy() if rows else np.empty((0, len(seeds)), np.float32)

    return Result(
        theta=population.best.numpy(),
        seeds=seeds,
        rates=rates,
        trials=trials,
        best_loss=best_loss,
        diverged=diverged,
        train_loss=table("train"),
        val_loss=table("val"),
        chosen=chosen,
        passes=np.array(list(population.passes.values())) / len(job.splits["train"]["inputs"]),
        predictions=task.predict(model, job.splits),
    )
