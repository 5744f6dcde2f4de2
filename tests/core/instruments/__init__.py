"""Tests of the published scores: the vectors of their papers, and that no answer makes one crash."""
