"""How good registered data are (数据质量): counts of rows that break a rule, and what to register. Never a value.

Run by the operator over the sources, as the catalogue's check is. Source: the dimensions of GB/T 36344-2018.
"""
