"""Models, one a module, made of layers."""
