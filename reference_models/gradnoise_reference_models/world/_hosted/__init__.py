"""What runs in the interpreter of a framework: NumPy and that framework, nothing of this library.

The folder is a program, ``python _hosted FRAMEWORK``, which makes the framework's optimizers and
noise on request. So a framework that needs another version of NumPy, or settles its backend once
for a process, can be judged all the same.
"""
