"""Workbooks (.xlsx, .xls, .ods) as tables. A process of its own reads them, within bounds of memory and time.

`reader` is the part in the caller's process. `process` and all below it run in the other one: they import nothing else
of the package, so that it starts at once.
"""
