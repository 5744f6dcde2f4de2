"""The pages of the chain of cells: batches, releases, bedside, trace, stock."""
