"""Whether an effect is the same for everybody and every day: segments, pairs of them, mixes of arms, trends."""
