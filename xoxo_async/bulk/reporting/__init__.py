"""The report of a job: one page that people look at, print and pass on.

`write_report` writes it into a file, `serving_report` shows that of a job at work, and `read_facts` returns what it
says. The page needs the extra `report`: pip install 'xoxo-async[report]'.
"""

from xoxo_async.bulk.reporting.facts import Facts
from xoxo_async.bulk.reporting.files import write_report
from xoxo_async.bulk.reporting.proof import ProofFact, read_proof_fact
from xoxo_async.bulk.reporting.reading import read_facts
from xoxo_async.bulk.reporting.serving import serving_report

__all__ = ["Facts", "ProofFact", "read_facts", "read_proof_fact", "serving_report", "write_report"]
