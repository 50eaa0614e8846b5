"""The conformance kit: one case, any engine, the same answer to the last bit.

    from mainstem.testing.conformance import Answer, Case, differences, run_case

    case = Case("counted", PIPELINE, {"readings.csv": b"..."}, Answer(tables={"counted": pa.table(...)}, account={
        "readings -> counted": {"made": 12, "delivered": 11, "quarantined": 1}}))
    assert differences(case.expected, run_case(case, "spark", folder), case.within) == []

| module | what it is for |
| --- | --- |
| case | a pipeline, its input and what it must give; carrying it out on an engine that is named |
| comparison | tables as multisets, quarantine and account; the first rows that differ |
| drafts | random pipelines over random dirty input, for asking an engine what nobody thought of |

Who writes another engine gives it a name in `project/engines.py`, what it lacks in `engines/lacks.py`, and has it asked: every
test below `tests/conformance` runs on the engine that `MAINSTEM_ENGINE` names.
"""

from mainstem.testing.conformance.case import Answer, Case, run_case
from mainstem.testing.conformance.comparison import differences

__all__ = ["Answer", "Case", "differences", "run_case"]
