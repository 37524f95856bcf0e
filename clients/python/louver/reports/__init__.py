"""Credit reports: what a bank gets, keeps, prints and checks.

report = bank.report("credit-enterprise@1", firm, authorisation=consent)
report.sections, report.valid_until
report.save("report.json")  # with report.json.receipt beside it
report.to_pdf("report.pdf")  # needs louver[report]
"""

from louver.reports.document import CreditReport, Section, Source

__all__ = ["CreditReport", "Section", "Source"]
