"""The shell commands, a file each: `lucid show`, `lucid opt`, ... `main.py` lists them."""
