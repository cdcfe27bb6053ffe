"""The paper's models, data and experiments, and the command line that runs them."""
