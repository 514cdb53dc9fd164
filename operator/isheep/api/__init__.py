"""The API: `SelfAlignmentRun` as models, and all that is made from them.

The models are the one source of the CRD (`crd`), of the reference (`reference`),
of the defaults and of what the loader accepts (`loader`). This package imports
nothing of the rest of the product.
"""

from isheep.api.run import SelfAlignmentRun, SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus

__all__ = ["SelfAlignmentRun", "SelfAlignmentRunSpec", "SelfAlignmentRunStatus"]
