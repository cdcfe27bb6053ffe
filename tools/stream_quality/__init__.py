"""The quality of the stream at scale: dieharder on its words, ten thousand million normals.

Usage: python -m tools.stream_quality {words,dieharder,normals} --help, at the root of a clone.
"""
