"""This library beside the packages that one would take instead: the same work, in the same run. See docs/benchmarks.md."""
