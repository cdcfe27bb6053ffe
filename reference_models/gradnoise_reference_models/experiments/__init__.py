"""The paper's experiments: one file a table, with its settings and the paper's figures."""
