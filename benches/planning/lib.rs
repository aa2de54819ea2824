//! Nothing: the benchmark beside it is what this package is for.
