"""What the protocol and the regulations say: pure functions over plain values, standard library only."""
