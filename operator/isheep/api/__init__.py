"""The API: `SelfAlignmentRun` as pydantic models, and everything that is generated from them.

The models are the only source of the CRD and the reference (`generation`), of the defaults and of
the checks of the loader (`reading`). This package imports no other package of the product than
`isheep.contract`.
"""

from isheep.api.run import SelfAlignmentRun, SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus

__all__ = ["SelfAlignmentRun", "SelfAlignmentRunSpec", "SelfAlignmentRunStatus"]
