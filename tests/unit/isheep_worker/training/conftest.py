"""Fixtures for the tests of training: settings, rows, checkpoints in a folder, a trainer."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from isheep.recipes.settings import LoraSettings, TrainSettings
from isheep_worker.training.dataset import Sample, Split, collect_rows, split_rows

VOCABULARY = 300
MAX_LENGTH = 32


def train_settings(**changes: Any) -> TrainSettings:
    """Return small settings for tests, with a learning rate so large that each step is visible."""
    dropout = changes.pop("dropout", 0.05)
    fields: dict[str, Any] = {
        "base_model": "",
        "chat_format": "",
        "dtype": "float32",
        "random_seed": 0,
        "prompt_format": "Chat",
        "templates": "",
        "max_samples": None,
        "validation_share": 0.1,
        "effective_batch_size": 8,
        "num_train_epochs": 2,
        "learning_rate": 5e-3,
        "warmup_steps": 1,
        "max_length": MAX_LENGTH,
        "lora": LoraSettings(r=4, alpha=8, dropout=dropout, target_modules="AllLinear"),
    }
    return TrainSettings(**fields | changes)


def random_split(count: int = 21, validation_share: float = 0.1) -> Split:
    """Return rows of random tokens and random lengths, the same rows on each call."""
    draw = random.Random(0)

    def ids(most: int) -> list[int]:
        return [draw.randrange(VOCABULARY) for _ in range(draw.randrange(1, most))]

    samples = [Sample(draw.getrandbits(63), ids(15), ids(15)) for _ in range(count)]
    rows, _ = collect_rows(samples, MAX_LENGTH)
    count = int(len(rows) * validation_share)
    return split_rows(rows, sorted(rows.seeds.tolist())[:count])


@dataclass
class FolderCheckpoints:
    """Checkpoints in a folder, as the store keeps them."""

    root: Path
    steps: list[int] = field(default_factory=list)

    def save(self, folder: Path, step: int) -> None:
        shutil.copytree(folder, self.root / f"step-{step}")
        self.steps.append(step)

    def latest(self) -> Path | None:
        return self.root / f"step-{self.steps[-1]}" if self.steps else None

    def discard(self) -> None:
        for step in self.steps:
            shutil.rmtree(self.root / f"step-{step}")
        self.steps.clear()


@dataclass
class Training:
    """Trains the tiny model. Keyword arguments replace settings, machine and callables."""

    base: Path
    root: Path

    def checkpoints(self) -> FolderCheckpoints:
        return FolderCheckpoints(Path(self._folder("checkpoints")))

    def __call__(
        self,
        *,
        settings: TrainSettings | None = None,
        data: Split | None = None,
        checkpoints: FolderCheckpoints | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int, float], None] = lambda *_: None,
        on_completion: Callable[[Any], None] = lambda _: None,
        clock: Callable[[], float] = lambda: 0.0,
        base: Path | None = None,
        **machine: Any,
    ) -> tuple[Any, Path]:
        from isheep_worker.training.machine import Machine
        from isheep_worker.training.sft import train

        out = Path(self._folder("out"))
        outcome = train(
            settings or train_settings(),
            data or random_split(),
            seed=2**62 + 5,
            base=base or self.base,
            out=out,
            machine=Machine(device="cpu", **machine),
            checkpoints=checkpoints or self.checkpoints(),
            stop=stop,
            progress=progress,
            on_completion=on_completion,
            clock=clock,
        )
        return outcome, out

    def _folder(self, name: str) -> str:
        folder = self.root / f"{name}-{len(list(self.root.iterdir()))}"
        folder.mkdir()
        return str(folder)


@pytest.fixture
def training(tiny_model_dir: Path, tmp_path: Path) -> Training:
    return Training(tiny_model_dir, tmp_path)


@pytest.fixture(scope="session")
def shared_training(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """For trainings whose results several tests read."""
    return Training(tiny_model_dir, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def uninterrupted(shared_training: Training) -> tuple[Any, Path]:
    """The outcome and the adapter's folder of a training without interruption."""
    return shared_training()


@pytest.fixture(scope="session")
def settings() -> Callable[..., TrainSettings]:
    return train_settings


@pytest.fixture
def split() -> Callable[..., Split]:
    return random_split
