"""The benchmark: protocols, controls, statistics, results and the table. Imports `datasets` and `zoo`."""

from benchmarks.guard import check_datasets_package

check_datasets_package()  # before any module here imports it
