"""Selection methods (Table 3): which pairs make D(t); one method a file.

`registry.py` maps the names in `selection.method` to the methods. The threshold rule of the paper
(SelfAssessment) is in `threshold.py`.
"""
