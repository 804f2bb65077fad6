"""The benchmark: protocols, controls, statistics, results and the table. Imports `datasets` and `zoo`."""
