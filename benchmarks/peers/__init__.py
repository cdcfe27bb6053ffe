"""The peers of a noisy Adam step, as their users would write them."""
