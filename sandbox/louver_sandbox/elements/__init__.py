"""Data elements (数据元): what a value of a kind looks like, how it is tidied, how it is masked.

Pure functions of one text. The dictionary is closed: a declaration names an element by its code, and a code that is
not in it is refused. Sources: DOMAIN 2.1, 2.2, 2.9 of the design and the standards each element names.
"""
