"""Where Python meets the operating system: what each redirected built-in does instead.

Rows are declared beside their replacements (`clocks`, `locks`, …), collected
by `table` and redirected by `_native`, the only C of the project.
"""
