"""Lets the tests import `hack/release`, which `make release` runs and no package contains."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "hack"))
